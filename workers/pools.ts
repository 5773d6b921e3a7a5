/** One row per queue: how a worker process runs it. A queue without a row stops the boot. */

import type { CollectPace } from '../src/collected-requests.ts';
import type { Config } from '../src/config.ts';

export interface PoolRow {
  /** Jobs that one process runs at once. */
  readonly concurrency: number;
  /** How long requests of one key are gathered, and how often its runs may start. */
  readonly pace: CollectPace;
}

/**
 * Milliseconds for which a worker owns a job without renewing, and between looks for jobs whose worker has died. A
 * crashed worker's job runs again within max(2 × stalled, lock + stalled) = 10 s; the third promise says 15 s.
 */
export const LOCK_MS = 7000;
export const STALLED_MS = 3000;

const MINUTE_MS = 60_000;
const UNGATHERED: CollectPace = { windowMs: 0, rateMs: 0 };

/** The rows, by queue. */
export function poolRows(config: Config): Readonly<Record<string, PoolRow>> {
  return {
    learning: {
      concurrency: config.LEARNING_QUEUE_CONCURRENCY,
      pace: {
        windowMs: config.EDIT_BATCH_WINDOW_MINUTES * MINUTE_MS,
        rateMs: config.LEARNING_RATE_LIMIT_MINUTES * MINUTE_MS,
      },
    },
    ai: { concurrency: config.AI_QUEUE_CONCURRENCY, pace: UNGATHERED },
    analytics: { concurrency: config.ANALYTICS_QUEUE_CONCURRENCY, pace: UNGATHERED },
    media: { concurrency: config.MEDIA_QUEUE_CONCURRENCY, pace: UNGATHERED },
    email: { concurrency: config.EMAIL_QUEUE_CONCURRENCY, pace: UNGATHERED },
    cleanup: { concurrency: config.CLEANUP_QUEUE_CONCURRENCY, pace: UNGATHERED },
  };
}

/** Milliseconds within which any gathered request of these queues should have run. */
export function longestPaceMs(rows: Readonly<Record<string, PoolRow>>): number {
  return Math.max(...Object.values(rows).map(({ pace }) => pace.windowMs + pace.rateMs));
}
