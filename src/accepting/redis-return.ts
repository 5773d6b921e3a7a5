/**
 * Waiting until Redis takes jobs again, and until it is known what it has lost.
 *
 * Promises: while Redis is away nothing is asked of it; what fails afterwards is tried again four times a second, and told
 * once it is more than Redis being away.
 */

import { isAppError, messageOf } from '../errors.ts';
import { pause } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import type { Breaker } from '../redis/breaker.ts';
import type { PendingJobs } from './pending-jobs.ts';

export interface RedisReturn {
  readonly breaker: Breaker;
  readonly pending: PendingJobs;
  /** Looks what Redis has lost, and hands that over. */
  readonly beforeResuming: () => Promise<void>;
  readonly logger: Logger;
}

/** Milliseconds between two tries while Redis answers but takes no writes. */
export const RETRY_MS = 250;

/** Resolves once Redis takes jobs, or the signal aborts. Never rejects. */
export async function untilRedisTakesJobs(
  { breaker, pending, beforeResuming, logger }: RedisReturn,
  signal: AbortSignal,
): Promise<void> {
  // It answers and refuses, or nobody has noticed yet that it does not answer.
  if (breaker.state === 'closed' && pending.size > 0) await pause(RETRY_MS, signal);
  while (!signal.aborted) {
    await breaker.closes(signal);
    try {
      if (!signal.aborted) await beforeResuming();
      return;
    } catch (error) {
      if (!isAppError(error, 'store-unavailable')) {
        logger.warn({ err: { message: messageOf(error) } }, 'could not look what Redis has lost; trying again');
      }
      await pause(RETRY_MS, signal);
    }
  }
}
