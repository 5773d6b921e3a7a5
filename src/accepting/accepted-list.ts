/**
 * Jobs that wait in a journal for Redis, told to all web processes once Redis is back, so that any of them can say
 * `accepted` before the relay has come to them.
 *
 * Promises: after an outage a relay first says that it is behind, then lists its jobs, then hands them over; what it has
 * listed it removes. Whoever finds nothing while somebody is behind knows that nothing is known. Lists are bounded: beyond
 * `MOST_LISTED` jobs "behind" is all that is said. While Redis is away there is nobody to tell.
 */

import type { NumberedEntry } from '../journal/segment.ts';
import type { ListedJob } from '../queue/job-reader.ts';
import type { Breaker } from '../redis/breaker.ts';
import type { Redis } from '../redis/connections.ts';
import { queueKeys } from '../redis/keys.ts';

export interface AcceptedListOptions {
  readonly redis: Redis;
  readonly breaker: Breaker;
  readonly keyPrefix: string;
}

/** Seconds for which "behind" holds when its process says nothing more. */
const BEHIND_S = 10;
/** Seconds after which a list is gone, whatever becomes of its process. */
const LISTED_S = 3600;
const MOST_LISTED = 100_000;
const PER_CALL = 500;

export class AcceptedList {
  readonly #redis: Redis;
  readonly #breaker: Breaker;
  readonly #listKey: string;
  readonly #behindKey: string;
  #listed = 0;

  constructor({ redis, breaker, keyPrefix }: AcceptedListOptions) {
    this.#redis = redis;
    this.#breaker = breaker;
    this.#listKey = keyPrefix + queueKeys.acceptedJobs();
    this.#behindKey = keyPrefix + queueKeys.journalBehind();
  }

  /** Say that jobs may wait here that nobody else knows of. Holds for 10 s. */
  async sayBehind(): Promise<void> {
    await this.#breaker.run(() => this.#redis.set(this.#behindKey, '1', 'EX', BEHIND_S));
  }

  /** List the jobs that wait. */
  async publish(pages: AsyncIterable<readonly NumberedEntry[]>): Promise<void> {
    for await (const page of pages) {
      for (let at = 0; at < page.length && this.#listed < MOST_LISTED; at += PER_CALL) {
        const fields = page.slice(at, at + PER_CALL).flatMap(({ entry }) => {
          return [entry.id, JSON.stringify([entry.tenant, entry.name, entry.requestedAt])];
        });
        // In one step: a process that dies in between must not leave a list that never ends.
        const both = this.#redis
          .multi()
          .hset(this.#listKey, ...fields)
          .expire(this.#listKey, LISTED_S);
        await this.#breaker.run(() => both.exec());
        this.#listed += fields.length / 2;
      }
    }
  }

  /** These jobs are in their queues now. */
  async remove(ids: readonly string[]): Promise<void> {
    if (this.#listed === 0 || ids.length === 0) return;
    this.#listed -= await this.#breaker.run(() => this.#redis.hdel(this.#listKey, ...ids));
  }

  /** Nothing of ours waits any more. */
  clear(): void {
    this.#listed = 0;
  }

  /** A job that some process has in its journal; `unknown`: none has listed it, but some may yet. */
  async find(tenant: string, id: string): Promise<ListedJob | 'unknown' | undefined> {
    const [listed, behind] = await this.#breaker.run(() =>
      Promise.all([this.#redis.hget(this.#listKey, id), this.#redis.exists(this.#behindKey)]),
    );
    if (listed === null) return behind === 1 ? 'unknown' : undefined;
    const [owner, job, requestedAt]: [string, string, number] = JSON.parse(listed);
    return owner === tenant ? { job, requestedAt } : undefined;
  }
}
