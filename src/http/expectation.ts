/**
 * `Expect: 100-continue`: clients that send the head of a request and wait to be asked for the body.
 *
 * Promises: a body is asked for when somebody is about to read it and not before, so that a client without a key, or
 * with a body that is too long, sends none of it. Whoever was never asked may send the body all the same or not at all:
 * the answer therefore closes the connection (`answer.ts`).
 */

import type { IncomingMessage } from 'node:http';

/** How to ask each client that waits. */
const asking = new WeakMap<IncomingMessage, () => void>();

/** The client waits: `ask` tells it to go on. */
export function holdBody(request: IncomingMessage, ask: () => void): void {
  asking.set(request, ask);
}

/** Ask for the body if the client waits for that; asks once. */
export function askForBody(request: IncomingMessage): void {
  if (request.headers.expect === undefined) return;
  asking.get(request)?.();
  asking.delete(request);
}

/** Does the client still wait? Then its body may never come. */
export function isBodyHeld(request: IncomingMessage): boolean {
  return request.headers.expect !== undefined && asking.has(request);
}
