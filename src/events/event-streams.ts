/**
 * The event streams of all tenants, kept short: by age, and by length where publishing alone has not done it.
 *
 * Promises: what a consumer group has not read, or has read and not acknowledged, stays, whatever its age; only the
 * length, which publishing holds to as well, goes before that. Trimmed 500 entries at a time. A stream that is
 * empty and that no group reads goes away. Keys that are no stream of events are left alone. While Redis is away it
 * rejects with `store-unavailable`.
 */

import type { Breaker } from '../redis/breaker.ts';
import type { ScriptedRedis } from '../redis/connections.ts';
import { literal, scanKeys } from '../redis/key-scan.ts';
import { queueKeys } from '../redis/keys.ts';
import { type Expirable, type Removal, type RemovalRun, RemovalTally, removalOf } from '../removal.ts';
import { DEFAULT_TENANT } from '../resources.ts';

export interface EventStreamsOptions {
  readonly redis: ScriptedRedis;
  readonly breaker: Pick<Breaker, 'run'>;
  readonly keyPrefix: string;
  readonly keepMs: number;
  /** Entries that a stream keeps. */
  readonly mostEvents: number;
  readonly clock?: () => number;
}

/** Entries that are trimmed in one step. */
const PER_STEP = 500;
/** Entries that publishing may leave above the limit: it trims whole nodes of the stream. */
const SLACK = 200;

/** Where an entry stands in a stream: milliseconds and a number. */
type Place = readonly [ms: bigint, number: bigint];
type Entry = readonly [id: string, fields: readonly string[]];

export class EventStreams implements Expirable {
  readonly #options: EventStreamsOptions;
  readonly #clock: () => number;

  constructor(options: EventStreamsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
  }

  async removeExpired(run: RemovalRun): Promise<Removal> {
    const tally = new RemovalTally(run);
    for (const key of await this.#streams(run.signal)) {
      const tooMany = await this.#trimLength(key, run, tally);
      await this.#trimAge(key, tooMany, run, tally);
      if (!run.dryRun) await this.#ask(() => this.#options.redis.dropEmptyStream(key));
      if (tally.spent) break;
    }
    return tally.total;
  }

  /** The streams of all tenants. */
  async #streams(signal: AbortSignal): Promise<string[]> {
    const { redis, breaker, keyPrefix } = this.#options;
    const found = new Set<string>();
    const pattern = `${literal(keyPrefix)}*${queueKeys.events(DEFAULT_TENANT)}`;
    for await (const keys of scanKeys({ redis, breaker }, pattern, signal)) {
      for (const key of keys) if (isEvents(key.slice(keyPrefix.length))) found.add(key);
    }
    const streams: string[] = [];
    for (const key of found) if ((await this.#ask(() => redis.type(key))) === 'stream') streams.push(key);
    return streams.sort();
  }

  /** Bring a stream down to its longest length. Returns how many entries go, or would. */
  async #trimLength(key: string, run: RemovalRun, tally: RemovalTally): Promise<number> {
    const { redis, mostEvents } = this.#options;
    const length = await this.#ask(() => redis.xlen(key));
    if (length <= mostEvents + SLACK) return 0;
    const most = length - mostEvents;
    for await (const entries of this.#drop(key, '+', most, run)) await tally.add(removalOf(entries.map(sizeOf)));
    return most;
  }

  /** Remove what is too old and was read by every group. `passed` entries at the start are as good as gone. */
  async #trimAge(key: string, passed: number, run: RemovalRun, tally: RemovalTally): Promise<void> {
    const { keepMs } = this.#options;
    const keepFrom = await this.#neededFrom(key, [BigInt(this.#clock() - keepMs), 0n]);
    let skip = run.dryRun ? passed : 0;
    for await (const entries of this.#drop(key, `(${textOf(keepFrom)}`, Number.POSITIVE_INFINITY, run)) {
      const counted = entries.slice(skip);
      skip -= entries.length - counted.length;
      await tally.add(removalOf(counted.map(sizeOf)));
    }
  }

  /** Remove entries from the start of a stream, page by page, and hand each page out; a dry run only hands out. */
  async *#drop(key: string, until: string, most: number, { dryRun }: RemovalRun): AsyncGenerator<readonly Entry[]> {
    const { redis } = this.#options;
    let from = '-';
    for (let left = most; left > 0; ) {
      const count = Math.min(PER_STEP, left);
      const entries: readonly Entry[] = await this.#ask(() => redis.xrange(key, from, until, 'COUNT', count));
      const last = entries.at(-1);
      if (last === undefined) return;
      if (!dryRun) await this.#ask(() => redis.xtrim(key, 'MINID', after(last[0])));
      from = `(${last[0]}`;
      left -= entries.length;
      yield entries;
    }
  }

  /** The first entry that has to stay: the limit, or before it what a group has yet to read or acknowledge. */
  async #neededFrom(key: string, limit: Place): Promise<Place> {
    const { redis } = this.#options;
    let from = limit;
    for (const group of (await this.#ask(() => redis.xinfo('GROUPS', key))) as unknown[][]) {
      const name = String(fieldOf(group, 'name'));
      const next = placeOf(after(String(fieldOf(group, 'last-delivered-id'))));
      const pending = (await this.#ask(() => redis.xpending(key, name))) as unknown[];
      const oldest = pending[1] === null || pending[1] === undefined ? next : placeOf(String(pending[1]));
      for (const needed of [next, oldest]) if (isBefore(needed, from)) from = needed;
    }
    return from;
  }

  #ask<T>(work: () => Promise<T>): Promise<T> {
    return this.#options.breaker.run(work);
  }
}

/** Is this, after the prefix, the stream of some tenant? */
function isEvents(key: string): boolean {
  const tenant = /^t:([^:]+):/.exec(key)?.[1] ?? DEFAULT_TENANT;
  return key === queueKeys.events(tenant);
}

function placeOf(id: string): Place {
  const [ms = '0', number = '0'] = id.split('-');
  return [BigInt(ms), BigInt(number)];
}

function textOf([ms, number]: Place): string {
  return `${ms}-${number}`;
}

function isBefore([ms, number]: Place, [otherMs, otherNumber]: Place): boolean {
  return ms < otherMs || (ms === otherMs && number < otherNumber);
}

/** The smallest place after an entry's. */
function after(id: string): string {
  const [ms, number] = placeOf(id);
  return textOf([ms, number + 1n]);
}

function fieldOf(flat: readonly unknown[], name: string): unknown {
  return flat[flat.indexOf(name) + 1];
}

function sizeOf([id, fields]: Entry): number {
  return id.length + fields.join('').length;
}
