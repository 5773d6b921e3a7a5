/** /v1/jobs: enqueue a job, read it, wait for it, cancel it, let a dead one run again. */

import { z } from 'zod';
import type { Producer } from '../../accepting/producer.ts';
import { AppError } from '../../errors.ts';
import type { Completions } from '../../queue/completions.ts';
import type { Enqueued } from '../../queue/enqueue-request.ts';
import { queueOfJobId } from '../../queue/envelope.ts';
import type { Inspector } from '../../queue/inspector.ts';
import { FINISHED } from '../../queue/job-view.ts';
import { defineRoute, type Route, type RouteAnswer, type RouteRequest } from '../route.ts';
import { acceptedJob, enqueueRequest, jobBody, KEY, WRONG_KEY } from './job-body.ts';

/** Seconds that a caller may wait for a job. */
const LONGEST_WAIT_S = 60;

const waitQuery = z.strictObject({ wait: z.coerce.number().min(0).max(LONGEST_WAIT_S).optional() });

/** 202 with the place to look, the same for every repeat of a request. */
export function accepted(enqueued: Enqueued): RouteAnswer {
  return { status: 202, body: acceptedJob(enqueued), headers: { Location: `/v1/jobs/${enqueued.id}` } };
}

/** The caller's Idempotency-Key. Throws `invalid-input` when it is not 1–255 printable ASCII characters. */
export function idempotencyKeyOf(request: Pick<RouteRequest, 'header'>): string | undefined {
  const key = request.header('idempotency-key');
  if (key === undefined || KEY.test(key)) return key;
  throw new AppError('invalid-input', 'The Idempotency-Key is not usable.', {
    problems: [{ pointer: 'header:Idempotency-Key', message: WRONG_KEY }],
  });
}

export interface JobRoutesOptions {
  readonly producer: Producer;
  readonly inspector: Inspector;
  readonly completions: Completions;
}

export function jobRoutes({ producer, inspector, completions }: JobRoutesOptions): Route[] {
  return [
    defineRoute({
      method: 'POST',
      path: '/v1/jobs',
      access: 'caller',
      about: 'Enqueue a job.',
      busy: true,
      body: jobBody,
      handle: async (request) => {
        const { body, requestId, namedByCaller } = request;
        // What a caller has named may name another request as well: only a number of ours is the job's too.
        const number = namedByCaller ? undefined : requestId;
        const asked = enqueueRequest(body, request, idempotencyKeyOf(request), number);
        return accepted(await producer.enqueue(asked));
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/jobs/:id',
      access: 'caller',
      about: 'Read a job; with ?wait=30, wait up to that many seconds for it to finish.',
      query: waitQuery,
      handle: async ({ tenant, params, query, signal }) => {
        const id = params.id ?? '';
        const look = () => inspector.job(tenant, id);
        const view = await look();
        const queue = queueOfJobId(id);
        if (query.wait === undefined || query.wait === 0 || FINISHED.has(view.state) || queue === undefined) {
          return { body: view };
        }
        return { body: await completions.wait(queue, id, query.wait * 1000, signal, look) };
      },
    }),
    defineRoute({
      method: 'DELETE',
      path: '/v1/jobs/:id',
      access: 'caller',
      about: 'Cancel a job that has not started.',
      handle: async ({ tenant, params }) => ({ body: await inspector.cancel(tenant, params.id ?? '') }),
    }),
    defineRoute({
      method: 'POST',
      path: '/v1/jobs/:id/retry',
      access: 'caller',
      about: 'Let a dead job run again, with all its attempts.',
      handle: async ({ tenant, params }) => ({ status: 202, body: await inspector.retry(tenant, params.id ?? '') }),
    }),
  ];
}
