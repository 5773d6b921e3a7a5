/**
 * Mails whose job has ended without them: its last attempt passed its deadline, it was cancelled, it expired, it is gone.
 *
 *   waiting   failed    with the job's code: it was not sent
 *   sending   unknown   `mail-unknown`: it may have been sent
 *
 * Promises: a row changes only when its job has ended some minutes ago, and as it was read: whatever an attempt writes
 * meanwhile stands. Nothing is sent by this, and nothing is lost: a dead job that is retried tries these rows again, and
 * an answer that comes late is still written down. While nobody can know how a job stands it rejects, as asking does.
 */

import { isAppError } from '../errors.ts';
import type { Deliveries, Delivery, Ended } from './deliveries.ts';

/** What is asked of a job. */
export interface JobFacts {
  readonly state: string;
  readonly error: { readonly code: string; readonly message: string } | null;
  /** ISO 8601; null when nobody knows. */
  readonly finishedAt: string | null;
}

export interface SettlementOptions {
  readonly deliveries: Pick<Deliveries, 'openAfter' | 'settle'>;
  /** Knows how a job stands. Rejects with `job-not-found` when it is gone. */
  readonly jobs: { job(tenant: string, id: string): Promise<JobFacts> };
  readonly clock?: () => number;
}

/** How many mails have got an end. */
export interface Settled {
  readonly failed: number;
  readonly unknown: number;
}

/** Why a job does no more. */
interface JobEnd {
  readonly code: string;
  readonly why: string;
}

/** Milliseconds after its job's end in which an attempt may still be writing: a send ends within 30 s. */
const QUIET_MS = 300_000;
/** Milliseconds after which a job that nobody finds will not come back from a journal. */
const GONE_MS = 86_400_000;
const ENDED = new Set(['completed', 'dead', 'cancelled']);

/** Give every mail whose job has ended an end. */
export async function settleDeliveries(options: SettlementOptions, signal: AbortSignal): Promise<Settled> {
  const { deliveries, clock = Date.now } = options;
  const nowMs = clock();
  const settled = { failed: 0, unknown: 0 };
  let last: { readonly row: Delivery; readonly end: JobEnd | undefined } | undefined;
  for (;;) {
    const rows = await deliveries.openAfter(last?.row.id ?? '0', new Date(nowMs - QUIET_MS));
    if (rows.length === 0) return settled;
    for (const row of rows) {
      signal.throwIfAborted();
      // The rows of a job were made together.
      const end: JobEnd | undefined = last?.row.job_id === row.job_id ? last.end : await endOf(row, nowMs, options);
      last = { row, end };
      if (end === undefined) continue;
      const ended = endingOf(row, end);
      if (await deliveries.settle(row, ended)) settled[ended.state] += 1;
    }
  }
}

/** Why the job of a row does no more; undefined when it may. */
async function endOf(row: Delivery, nowMs: number, { jobs }: SettlementOptions): Promise<JobEnd | undefined> {
  const ageMs = nowMs - row.created_at.getTime();
  try {
    const { state, error, finishedAt } = await jobs.job(row.tenant, row.job_id);
    const quietMs = finishedAt === null ? ageMs : nowMs - Date.parse(finishedAt);
    if (!ENDED.has(state) || quietMs < QUIET_MS) return undefined;
    return { code: error?.code ?? 'mail-deferred', why: error === null ? state : `${error.code}: ${error.message}` };
  } catch (error) {
    if (!isAppError(error, 'job-not-found')) throw error;
    return ageMs < GONE_MS ? undefined : { code: 'job-not-found', why: error.message };
  }
}

function endingOf({ state, answer }: Delivery, { code, why }: JobEnd): Ended & { state: 'failed' | 'unknown' } {
  const before = answer === null ? '' : ` Before: ${answer}`;
  return state === 'sending'
    ? { state: 'unknown', code: 'mail-unknown', answer: `The job ended before the answer came (${why}).${before}` }
    : { state: 'failed', code, answer: `The job ended before it was sent (${why}).${before}` };
}
