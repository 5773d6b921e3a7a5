/**
 * The Express app: the route table, the mounts, and an answer for everything else.
 *
 * Promises: every refusal is a problem document, nothing is HTML except what a mount serves itself; a path that exists
 * answers any method (405 with `Allow`, 204 to OPTIONS, HEAD as GET without the body); a path is matched exactly, case
 * and trailing slash included. Throws when the table contradicts itself, before anything listens.
 */

import express, { type Express, type NextFunction, type Request, type RequestHandler, type Response } from 'express';
import { AppError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { dispatch } from './dispatch.ts';
import { Exchange, type ExchangeSetting, type Measure } from './exchange.ts';
import { askForBody } from './expectation.ts';
import type { Authenticate } from './middleware/authentication.ts';
import { stablePrototypes } from './prototypes.ts';
import { checkPath } from './query.ts';
import type { Method, Row } from './route.ts';
import { apiSecurityHeaders } from './security-headers.ts';

/** A handler, router or app that answers everything below a path by itself: its own access, headers and pages. */
export interface Mount {
  /** Such as `/admin/queues`. */
  readonly path: string;
  readonly handler: RequestHandler;
}

export interface AppOptions {
  readonly logger: Logger;
  readonly authenticate: Authenticate;
  readonly routes: readonly Row[];
  readonly mounts?: readonly Mount[];
  /** Told of every answer. */
  readonly measure?: Measure;
}

/** Make the app; it listens once a `HttpServer` has it. Throws when two routes claim the same method and path. */
export function createApp({ logger, authenticate, routes, mounts = [], measure }: AppOptions): Express {
  const app = express();
  stablePrototypes(app);
  app.disable('x-powered-by');
  app.enable('case sensitive routing');
  app.enable('strict routing');

  const setting: ExchangeSetting = { logger, headers: apiSecurityHeaders(), ...(measure && { measure }) };
  for (const [path, byMethod] of byPath(routes)) {
    const allow = allowed(byMethod);
    app.route(path).all((request, response) => {
      const exchange = new Exchange(setting, request, response, path);
      const route = byMethod.get(request.method === 'HEAD' ? 'GET' : request.method);
      if (route !== undefined) return dispatch(route, authenticate, request, exchange);
      if (request.method === 'OPTIONS') return exchange.answer({ headers: { Allow: allow } });
      exchange.fail(new AppError('method-not-allowed', `This path answers ${allow}.`, { headers: { Allow: allow } }));
    });
  }

  const mounted = new WeakMap<Response, Exchange>();
  for (const { path, handler } of mounts) {
    if ('disable' in handler && typeof handler.disable === 'function') handler.disable('x-powered-by');
    app.use(path, (request: Request, response: Response, next: NextFunction) => {
      const exchange = new Exchange(setting, request, response, path);
      mounted.set(response, exchange);
      response.setHeader('X-Request-Id', exchange.requestId);
      // A mount reads bodies in its own way.
      askForBody(request);
      response.once('finish', () => mounted.delete(response) && exchange.log(response.statusCode));
      next();
    });
    app.use(path, handler);
  }

  app.use((request: Request) => {
    checkPath(request.url);
    throw new AppError('not-found', 'There is nothing at this path.');
  });
  app.use((error: unknown, request: Request, response: Response, _next: NextFunction) => {
    const exchange = mounted.get(response) ?? new Exchange(setting, request, response);
    mounted.delete(response);
    exchange.fail(error);
  });
  return app;
}

/** Rows by path and method; literal paths come before those with parameters, and busy ones before all. */
function byPath(routes: readonly Row[]): [path: string, byMethod: Map<string, Row>][] {
  const paths = new Map<string, Map<string, Row>>();
  for (const route of routes) {
    const { method, path } = route;
    if (!path.startsWith('/')) throw new Error(`The path of ${method} ${path} must start with a slash.`);
    if (method === 'GET' && route.body !== undefined) throw new Error(`GET ${path} cannot have a body.`);
    const byMethod = paths.get(path) ?? new Map<Method, Row>();
    if (byMethod.has(method)) throw new Error(`${method} ${path} is in the route table twice.`);
    paths.set(path, byMethod.set(method, route));
  }
  const rank = (path: string) => path.replaceAll(':', '\uffff');
  const isBusy = (byMethod: Map<string, Row>) => [...byMethod.values()].some((row) => 'busy' in row && row.busy);
  const sorted = [...paths].sort(([a], [b]) => (rank(a) < rank(b) ? -1 : 1));
  return [...sorted.filter(([, rows]) => isBusy(rows)), ...sorted.filter(([, rows]) => !isBusy(rows))];
}

function allowed(byMethod: ReadonlyMap<string, Row>): string {
  const methods = [...byMethod.keys(), ...(byMethod.has('GET') ? ['HEAD'] : []), 'OPTIONS'];
  return methods.sort().join(', ');
}
