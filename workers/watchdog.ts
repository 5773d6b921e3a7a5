/**
 * Watches the pools of a process: a pool that takes nothing although work waits is given a new consumer.
 *
 * Promises: a pool counts as deaf when at six looks in a row, 15 s together, work waited that it could have taken, it
 * ran nothing and took nothing in between; or when its loop has ended. Never an idle, busy, paused, limited or full one,
 * and never while Redis cannot be asked: that Redis answers here is what says that only the pool is deaf. A process
 * that was frozen is not taken for one with deaf pools, because looks are counted and not seconds.
 */

import { isAppError } from '../src/errors.ts';
import { type Deadline, type Lifecycle, repeat } from '../src/lifecycle.ts';
import type { Logger } from '../src/logger.ts';
import type { MillraceQueue, Queues } from '../src/queue/queues.ts';
import type { Breaker } from '../src/redis/breaker.ts';
import type { Redis } from '../src/redis/connections.ts';

/** A pool, as the watchdog sees it. */
export interface Watched {
  readonly queue: string;
  /** Attempts that run just now. */
  readonly running: number;
  /** Jobs taken so far. */
  readonly taken: number;
  /** Its loop has ended though nobody stopped it. */
  readonly ended: boolean;
  /** Ask whether its connection still brings answers. */
  checkConnection(): void;
  /** Replace what takes its jobs. */
  rebuild(): void;
}

export interface WatchdogOptions {
  readonly pools: readonly Watched[];
  readonly queues: Queues;
  /** A client of the `producer` role, and the breaker around it. */
  readonly redis: Redis;
  readonly breaker: Breaker;
  readonly logger: Logger;
  /** Milliseconds between two looks. */
  readonly lookMs?: number;
}

const LOOK_MS = 2500;
const DEAF_LOOKS = 6;
/** Milliseconds by which a delayed job must be late: clocks of two machines differ. */
const LATE_MS = 1000;
/** BullMQ orders delayed jobs by milliseconds times this. */
const DELAY_SCALE = 0x1000;

/** What is remembered of a pool between two looks. */
interface Suspicion {
  taken: number;
  deafLooks: number;
}

export class Watchdog implements Lifecycle {
  readonly #watched: readonly { readonly pool: Watched; readonly suspicion: Suspicion }[];
  readonly #queues: Queues;
  readonly #redis: Redis;
  readonly #breaker: Breaker;
  readonly #logger: Logger;
  readonly #lookMs: number;
  readonly #ended = new AbortController();
  #watching: Promise<void> | undefined;

  constructor({ pools, queues, redis, breaker, logger, lookMs = LOOK_MS }: WatchdogOptions) {
    this.#watched = pools.map((pool) => ({ pool, suspicion: { taken: pool.taken, deafLooks: 0 } }));
    this.#queues = queues;
    this.#redis = redis;
    this.#breaker = breaker;
    this.#logger = logger;
    this.#lookMs = lookMs;
  }

  async start(): Promise<void> {
    this.#watching ??= repeat(
      this.#lookMs,
      this.#ended.signal,
      () => this.look(),
      (error) => this.#logger.warn({ err: error }, 'the pools could not be looked at'),
    );
  }

  async stop(_deadline: Deadline): Promise<void> {
    this.#ended.abort();
    await this.#watching;
  }

  /** Look at every pool once. */
  async look(): Promise<void> {
    await Promise.all(this.#watched.map(({ pool, suspicion }) => this.#lookAt(pool, suspicion)));
  }

  async #lookAt(pool: Watched, suspicion: Suspicion): Promise<void> {
    pool.checkConnection();
    if (pool.ended) return this.#rebuild(pool, suspicion, 'its loop has ended');
    const quiet = () => pool.running === 0 && pool.taken === suspicion.taken;
    const deaf = quiet() && (await this.#workWaits(this.#queues.get(pool.queue))) && quiet();
    suspicion.taken = pool.taken;
    suspicion.deafLooks = deaf ? suspicion.deafLooks + 1 : 0;
    if (suspicion.deafLooks > DEAF_LOOKS) this.#rebuild(pool, suspicion, 'it takes nothing though work waits');
  }

  #rebuild(pool: Watched, suspicion: Suspicion, why: string): void {
    suspicion.deafLooks = 0;
    if (this.#ended.signal.aborted) return;
    this.#logger.error({ queue: pool.queue, why }, 'a pool is deaf: it gets a new worker');
    pool.rebuild();
  }

  /** Is there a job that a worker could take at once? No when Redis cannot say. */
  async #workWaits(queue: MillraceQueue): Promise<boolean> {
    try {
      return await this.#breaker.run(async () => {
        const latest = (Date.now() - LATE_MS) * DELAY_SCALE;
        const [counts, overdue, paused, full, limitedMs] = await Promise.all([
          queue.getJobCounts('wait', 'prioritized'),
          this.#redis.zcount(queue.toKey('delayed'), 0, latest),
          queue.isPaused(),
          queue.isMaxed(),
          queue.getRateLimitTtl(),
        ]);
        const waiting = (counts.wait ?? 0) + (counts.prioritized ?? 0) + overdue;
        return waiting > 0 && !paused && !full && limitedMs <= 0;
      });
    } catch (error) {
      if (isAppError(error, 'store-unavailable')) return false;
      throw error;
    }
  }
}
