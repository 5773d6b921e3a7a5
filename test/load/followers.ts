/**
 * A sample of the accepted jobs, followed until they have finished: how long work takes from the request to its end.
 *
 * Promises: at most `MOST_AT_ONCE` jobs are followed at once, each for at most `PATIENCE_MS`; a job that nobody had room
 * for is counted, not forgotten. The time is the caller's: from when the request should have been sent until the answer
 * that says it is finished.
 */

import type { LoadClock } from './driver.ts';
import { Histogram } from './histogram.ts';

/** Each holds a connection that waits. */
export const MOST_AT_ONCE = 64;
export const PATIENCE_MS = 30_000;
/** Milliseconds between two looks at a job that nobody could tell about. */
const REST_MS = 250;
const FINISHED = new Set(['completed', 'dead', 'cancelled']);

export interface FollowersOptions {
  /** As `Service.state`. */
  readonly state: (id: string, waitMs: number) => Promise<string | undefined>;
  readonly clock: LoadClock;
  /** Aborts when nobody wants to wait any more. */
  readonly signal: AbortSignal;
}

export class Followers {
  readonly #options: FollowersOptions;
  readonly #running = new Set<Promise<void>>();
  /** Of the completed ones. */
  readonly latency = new Histogram();
  readonly outcomes = { completed: 0, dead: 0, cancelled: 0, unfinished: 0, noRoom: 0 };

  constructor(options: FollowersOptions) {
    this.#options = options;
  }

  /** Jobs that are followed now. */
  get running(): number {
    return this.#running.size;
  }

  /** Follow a job that was accepted, if there is room. `dueMs`: when its request should have been sent. */
  follow(id: string, dueMs: number): void {
    if (this.#running.size >= MOST_AT_ONCE) {
      this.outcomes.noRoom += 1;
      return;
    }
    const following = this.#follow(id, dueMs).finally(() => this.#running.delete(following));
    this.#running.add(following);
  }

  /** Resolves when every job that is followed has finished, or was given up. */
  async done(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #follow(id: string, dueMs: number): Promise<void> {
    const { state, clock, signal } = this.#options;
    const untilMs = clock.now() + PATIENCE_MS;
    while (!signal.aborted && clock.now() < untilMs) {
      const found = await state(id, untilMs - clock.now());
      if (found !== undefined && FINISHED.has(found)) {
        this.outcomes[found as 'completed' | 'dead' | 'cancelled'] += 1;
        if (found === 'completed') this.latency.record(clock.now() - dueMs);
        return;
      }
      // A job that is journalled and not yet in Redis cannot be waited for.
      await clock.wait(Math.min(REST_MS, Math.max(0, untilMs - clock.now())), signal);
    }
    this.outcomes.unfinished += 1;
  }
}
