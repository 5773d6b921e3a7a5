/**
 * Telling what happened: each event is appended to its tenant's stream and published to whoever listens now, in one
 * atomic step, so that neither is ever without the other.
 *
 * Promises: an event of the same job always has the same id, so a listener that has seen it can pass over a repeat.
 * While Redis is away it rejects with `store-unavailable`, and the job is not completed before its events are out.
 */

import type { Breaker } from '../redis/breaker.ts';
import type { ScriptedRedis } from '../redis/connections.ts';
import { queueKeys } from '../redis/keys.ts';
import { type Announcement, EVENTS, type Event } from './event.ts';

/** Entries a tenant's stream keeps, about (S1-16). */
export const MOST_EVENTS = 10_000;

export interface PublisherOptions {
  readonly redis: ScriptedRedis;
  readonly breaker: Breaker;
  /** Put before every key. */
  readonly keyPrefix: string;
  readonly clock?: () => number;
}

export class Publisher {
  readonly #redis: ScriptedRedis;
  readonly #breaker: Breaker;
  readonly #keyPrefix: string;
  readonly #clock: () => number;

  constructor({ redis, breaker, keyPrefix, clock = Date.now }: PublisherOptions) {
    this.#redis = redis;
    this.#breaker = breaker;
    this.#keyPrefix = keyPrefix;
    this.#clock = clock;
  }

  /** Publish what a job announces, in order. Returns the events as they went out. */
  async publish(tenant: string, jobId: string, announcements: readonly Announcement[]): Promise<Event[]> {
    const occurredAt = new Date(this.#clock()).toISOString();
    const events = announcements.map(
      (announcement, index): Event => ({
        ...announcement,
        id: `${jobId}.${index}`,
        version: EVENTS[announcement.type].version,
        tenant,
        occurredAt,
      }),
    );
    const stream = this.#keyPrefix + queueKeys.events(tenant);
    const channel = this.#keyPrefix + queueKeys.eventsChannel(tenant);
    for (const event of events) {
      await this.#breaker.run(() => this.#redis.publishEvent(stream, channel, MOST_EVENTS, JSON.stringify(event)));
    }
    return events;
  }
}
