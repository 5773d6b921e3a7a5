/** /v1/queues and /v1/definitions: what work there is, and how much of it waits. */

import { z } from 'zod';
import type { Catalog } from '../../queue/catalog.ts';
import type { Inspector } from '../../queue/inspector.ts';
import type { JobDefinition } from '../../queue/job.ts';
import { defineRoute, type Route } from '../route.ts';

const deadQuery = z.strictObject({ limit: z.coerce.number().int().min(1).max(100).default(50) });

/** A definition as `GET /v1/definitions` shows it. Schemas are JSON Schema 2020-12. */
export function describeDefinition(definition: JobDefinition) {
  const { name, queue, about, experimental, example, attempts, backoff, timeoutMs, expiresMs, priority } = definition;
  return {
    name,
    queue,
    about,
    experimental,
    formerly: definition.formerly,
    payload: z.toJSONSchema(definition.payload, { io: 'input' }),
    result: z.toJSONSchema(definition.result, { io: 'output' }),
    example,
    limits: { attempts, backoff, timeoutMs, expiresMs, priority },
    every: definition.every ?? null,
    on: definition.on?.event ?? null,
    gathered: definition.collect !== undefined,
  };
}

export interface QueueRoutesOptions {
  readonly catalog: Catalog;
  readonly inspector: Inspector;
}

export function queueRoutes({ catalog, inspector }: QueueRoutesOptions): Route[] {
  const definitions = catalog.all.map(describeDefinition);
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/definitions',
      access: 'caller',
      about: 'Every kind of job, with its schemas, an example and its limits.',
      handle: async () => ({ body: { definitions } }),
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/queues',
      access: 'caller',
      about: 'Every queue with its counts.',
      handle: async () => ({ body: { queues: await inspector.queues() } }),
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/queues/:name',
      access: 'caller',
      about: 'One queue with its counts.',
      handle: async ({ params }) => ({ body: await inspector.queue(params.name ?? '') }),
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/queues/:name/dead',
      access: 'caller',
      about: 'The dead letters of a queue, newest first, with their causes.',
      query: deadQuery,
      handle: async ({ tenant, params, query }) => ({
        body: { jobs: await inspector.dead(tenant, params.name ?? '', query.limit) },
      }),
    }),
  ];
}
