/** /v1/jobs/bulk and /v1/jobs/stream: many jobs in one request, each accepted or refused by itself. */

import type { Producer } from '../../accepting/producer.ts';
import { AppError } from '../../errors.ts';
import type { Enqueued } from '../../queue/enqueue-request.ts';
import { type BatchRequest, type BatchRoute, defineBatchRoute } from '../route.ts';
import { acceptedJob, enqueueRequest, listedJob } from './job-body.ts';

/** Jobs in one list. */
const MOST_JOBS = 1000;
/** Bytes of one list. */
const MAX_LIST_BYTES = 4 * 1024 * 1024;

/** One key for many jobs would say that they are the same. */
function refuseSharedKey({ header }: BatchRequest): void {
  if (header('idempotency-key') === undefined) return;
  throw new AppError('invalid-input', 'One Idempotency-Key cannot stand for many jobs.', {
    problems: [{ pointer: 'header:Idempotency-Key', message: 'give each job its own as the member idempotencyKey' }],
  });
}

export function bulkRoutes({ producer }: { readonly producer: Pick<Producer, 'enqueue'> }): BatchRoute[] {
  return [
    defineBatchRoute({
      method: 'POST',
      path: '/v1/jobs/bulk',
      access: 'caller',
      about: 'Enqueue up to 1,000 jobs at once; each is accepted or refused by itself.',
      source: { kind: 'list', member: 'jobs', most: MOST_JOBS, maxBodyBytes: MAX_LIST_BYTES },
      noun: 'job',
      item: listedJob,
      admit: refuseSharedKey,
      handleItem: async (body, request) =>
        acceptedJob(await producer.enqueue(enqueueRequest(body, request, body.idempotencyKey))),
    }),
    defineBatchRoute({
      method: 'POST',
      path: '/v1/jobs/stream',
      access: 'caller',
      about: 'Enqueue any number of jobs, one a line; each line is answered by a line while the rest is on its way.',
      source: { kind: 'lines' },
      noun: 'job',
      item: listedJob,
      admit: refuseSharedKey,
      handleItem: async (body, request): Promise<Pick<Enqueued, 'id' | 'state'>> => {
        const { id, state } = await producer.enqueue(enqueueRequest(body, request, body.idempotencyKey));
        return { id, state };
      },
    }),
  ];
}
