/** A small app behind a real server on a free port: what the tests of the HTTP edge talk to. */

import { z } from 'zod';
import { createApp, type Mount } from '../../../src/http/app.ts';
import type { Authenticate } from '../../../src/http/middleware/authentication.ts';
import { defineBatchRoute, defineRoute, type ItemSource, type Row } from '../../../src/http/route.ts';
import { HttpServer, type HttpServerOptions } from '../../../src/http/server.ts';
import { Deadline } from '../../../src/lifecycle.ts';
import { createLogger } from '../../../src/logger.ts';
import type { HostileTarget } from '../../support/hostile-player.ts';

const item = z.strictObject({ name: z.string().optional(), any: z.unknown().optional() });

/** Items that come many at a time, where the service takes jobs in such a way. */
function itemsAt(path: string, source: ItemSource) {
  return defineBatchRoute({
    method: 'POST',
    path,
    access: 'caller',
    about: 'Say what came.',
    source,
    noun: 'job',
    item,
    handleItem: async ({ name }, { tenant }) => ({ name: name ?? null, tenant }),
  });
}

export const itemRoutes: readonly Row[] = [
  itemsAt('/v1/jobs/bulk', { kind: 'list', member: 'jobs', most: 1000, maxBodyBytes: 4 * 1024 * 1024 }),
  itemsAt('/v1/jobs/stream', { kind: 'lines' }),
  defineRoute({
    method: 'POST',
    path: '/v1/items',
    access: 'caller',
    about: 'Say what came.',
    body: item,
    handle: async ({ body, tenant, bodyText }) => ({
      status: 202,
      body: { ...body, tenant, bytes: Buffer.byteLength(bodyText) },
    }),
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/items',
    access: 'caller',
    about: 'List nothing.',
    handle: async () => ({ body: { items: [] } }),
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/definitions',
    access: 'caller',
    about: 'List less.',
    handle: async () => ({ body: { definitions: [] } }),
  }),
  defineRoute({
    method: 'GET',
    path: '/v1/items/:id',
    access: 'caller',
    about: 'Say which.',
    query: z.strictObject({ wait: z.coerce.number().min(0).max(60).optional() }),
    handle: async ({ params, query }) => ({ body: { id: params.id, wait: query.wait ?? null } }),
  }),
];

export interface SmallAppOptions extends Partial<HttpServerOptions> {
  readonly routes?: readonly Row[];
  readonly mounts?: readonly Mount[];
  readonly authenticate?: Authenticate;
}

/** Start it; the log is collected line by line. */
export async function startSmallApp(options: SmallAppOptions = {}) {
  const {
    routes = itemRoutes,
    mounts = [],
    authenticate = async () => ({ tenant: 'acme', operator: false }),
    ...limits
  } = options;
  const log: Record<string, unknown>[] = [];
  const logger = createLogger({
    level: 'debug',
    role: 'test',
    destination: { write: (line) => log.push(JSON.parse(line)) },
  });
  const app = createApp({ logger, routes, mounts, authenticate });
  const server = new HttpServer({ app, logger }, { port: 0, host: '127.0.0.1', ...limits });
  await server.start();
  const target: HostileTarget = {
    port: server.port,
    post: '/v1/items',
    get: '/v1/definitions',
    item: '/v1/items/',
    headers: [],
  };
  const url = `http://127.0.0.1:${server.port}`;
  return { app, server, log, target, url, port: server.port, stop: () => server.stop(Deadline.in(1000)) };
}
