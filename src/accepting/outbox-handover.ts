/**
 * The hand-over of one row of the outbox to the producer, and what it means for the row when that fails.
 *
 * Promises: it ends within 10 s and never rejects. While a store is away the row is to stay as it is.
 */

import type { OutboxRow, OutboxVerdict } from '../database/outbox-rows.ts';
import { AppError, isAppError, messageOf } from '../errors.ts';
import { within } from '../lifecycle.ts';
import type { Producer } from './producer.ts';

/** Milliseconds, well under what `OutboxRows` allows its transaction. */
const HAND_OVER_MS = 10_000;
/** Milliseconds until a row is tried again whose hand-over failed for a reason that nobody foresaw; then set aside. */
const PUT_OFF_MS = [1000, 5000, 25_000, 125_000];
const DETAIL_CHARACTERS = 1000;

/** Hand a row over under the id that it was given; returns what is to become of it. */
export async function handOver(producer: Pick<Producer, 'enqueue'>, row: OutboxRow): Promise<OutboxVerdict> {
  if (row.cancelled) return { kind: 'done' };
  try {
    const enqueued = producer.enqueue({
      tenant: row.tenant,
      job: row.job,
      payload: row.payload,
      id: row.id,
      requestedAt: row.requested_at,
      runAt: row.run_at ?? undefined,
      attempts: row.attempts ?? undefined,
      priority: row.priority ?? undefined,
      timeoutMs: row.timeout_ms ?? undefined,
      tags: row.tags ?? undefined,
      idempotencyKey: row.idempotency_key ?? undefined,
    });
    await within(HAND_OVER_MS, enqueued, () => new AppError('store-unavailable', 'The hand-over took too long.'));
    return { kind: 'done' };
  } catch (error) {
    return refusalOf(error, row.tries);
  }
}

/**
 *   refused for good: unknown job, payload, key      set aside at once
 *   a store is away, the journal takes nothing       later, with all others
 *   anything else                                    put off, four times; then set aside as `internal`
 *
 * `tries`: how often it was put off already.
 */
function refusalOf(error: unknown, tries: number): OutboxVerdict {
  const why = messageOf(error).slice(0, DETAIL_CHARACTERS);
  if (isAppError(error) && error.retry === 'later') return { kind: 'later', why };
  if (isAppError(error) && error.retry === 'never') {
    const problems = error.problems.map(({ pointer, message }) => ` ${pointer}: ${message}`);
    return { kind: 'set-aside', code: error.code, detail: `${why}${problems.join(';')}`.slice(0, DETAIL_CHARACTERS) };
  }
  const forMs = PUT_OFF_MS[tries];
  return forMs === undefined ? { kind: 'set-aside', code: 'internal', detail: why } : { kind: 'put-off', forMs, why };
}
