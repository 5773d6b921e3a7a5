/**
 * Request and response classes that Express does not have to change.
 *
 * Express 5 gives every request and response a new prototype, after which V8 treats both as slow objects for the rest
 * of their life: two thirds of the cost of a small request. Here the server is given classes whose own prototypes carry
 * what Express would have swapped in, and the app is told that these are its prototypes: the swap changes nothing.
 * Mounted apps inherit from them and are still swapped in, for their own requests only.
 */

import { IncomingMessage, ServerResponse } from 'node:http';
import type { Express } from 'express';

/** What `http.createServer` is given. */
export interface StablePrototypes {
  readonly IncomingMessage: typeof IncomingMessage;
  readonly ServerResponse: typeof ServerResponse;
}

const made = new WeakMap<Express, StablePrototypes>();

/** The classes for `app`, made once. Call it before anything is mounted: mounted apps inherit what they find. */
export function stablePrototypes(app: Express): StablePrototypes {
  const known = made.get(app);
  if (known !== undefined) return known;
  class StableRequest extends IncomingMessage {}
  class StableResponse<Request extends IncomingMessage> extends ServerResponse<Request> {}
  adopt(app, 'request', StableRequest.prototype, IncomingMessage.prototype);
  adopt(app, 'response', StableResponse.prototype, ServerResponse.prototype);
  const prototypes = { IncomingMessage: StableRequest, ServerResponse: StableResponse };
  made.set(app, prototypes);
  return prototypes;
}

/** Copy everything between `app[name]` and Node's own prototype onto `target`, and make `target` the app's prototype. */
function adopt(app: Express, name: 'request' | 'response', target: object, node: object): void {
  for (
    let from: unknown = Reflect.get(app, name);
    isObject(from) && from !== node;
    from = Object.getPrototypeOf(from)
  ) {
    for (const [key, property] of Object.entries(Object.getOwnPropertyDescriptors(from))) {
      if (key !== 'constructor' && !Object.hasOwn(target, key)) Object.defineProperty(target, key, property);
    }
  }
  Object.defineProperty(app, name, { configurable: true, enumerable: true, writable: true, value: target });
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
