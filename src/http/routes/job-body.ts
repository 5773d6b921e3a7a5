/** What a caller sends to have one job done (alone, in a list, or as a line), what that asks of the producer, and the answer. */

import { z } from 'zod';
import { AppError } from '../../errors.ts';
import type { Enqueued, EnqueueRequest } from '../../queue/enqueue-request.ts';
import type { RouteRequest } from '../route.ts';

/** A year: the farthest that a job can be put off. */
const FARTHEST_MS = 31_536_000_000;

/** An Idempotency-Key, wherever it stands. */
export const KEY = /^[\x20-\x7e]{1,255}$/;
export const WRONG_KEY = 'must be 1–255 printable ASCII characters';

const fields = {
  job: z.string().min(1).max(128),
  payload: z.record(z.string(), z.unknown()),
  delayMs: z.int().min(0).max(FARTHEST_MS).optional(),
  runAt: z.iso.datetime({ offset: true }).optional(),
  attempts: z.int().min(1).max(25).optional(),
  priority: z.int().min(0).max(100).optional(),
  timeoutMs: z.int().min(100).max(86_400_000).optional(),
  tags: z.array(z.string().min(1).max(64)).max(10).optional(),
};

const oneTime = (body: { delayMs?: number | undefined; runAt?: string | undefined }) =>
  body.delayMs === undefined || body.runAt === undefined;
const NOT_BOTH = { path: ['runAt'], message: 'Give delayMs or runAt, not both.' };

/** A job by itself; its key is a header. */
export const jobBody = z.strictObject(fields).refine(oneTime, NOT_BOTH);

/** A job among others: as `jobBody`, with its key beside it. */
export const listedJob = z
  .strictObject({ ...fields, idempotencyKey: z.string().regex(KEY, WRONG_KEY).optional() })
  .refine(oneTime, NOT_BOTH);

/** What the producer is asked; `number` is the job's own, if it has one. Throws `invalid-input` when it is put off too far. */
export function enqueueRequest(
  body: z.output<typeof jobBody>,
  { tenant, requestId }: Pick<RouteRequest, 'tenant' | 'requestId'>,
  idempotencyKey: string | undefined,
  number?: string,
): EnqueueRequest {
  const { job, payload, attempts, priority, timeoutMs, tags } = body;
  const runAt = runAtOf(body);
  return { tenant, job, payload, runAt, attempts, priority, timeoutMs, tags, idempotencyKey, requestId, number };
}

/** What the caller is told of an accepted job: the same for every repeat of the request. */
export function acceptedJob({ id, job, queue, state, requestedAt, runAt }: Enqueued): object {
  // JSON leaves out what is undefined. Taking `status` away with a rest pattern has no fast path in V8.
  return { id, job, queue, state, requestedAt, runAt };
}

function runAtOf({ delayMs, runAt }: z.output<typeof jobBody>): Date | undefined {
  if (delayMs !== undefined) return delayMs === 0 ? undefined : new Date(Date.now() + delayMs);
  if (runAt === undefined) return undefined;
  const date = new Date(runAt);
  if (date.getTime() <= Date.now() + FARTHEST_MS) return date;
  throw new AppError('invalid-input', 'The job is put off too far.', {
    problems: [{ pointer: '/runAt', message: 'must be within a year from now' }],
  });
}
