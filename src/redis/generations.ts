/**
 * Cached values and the generations of the resources they belong to, spoken to through the breaker.
 *
 * Promises: value and generation are read at one moment; a value is stored only while its resource's generation is the
 * one it was loaded under; forgetting changes the generation and removes the values at one moment; each read is counted
 * by the script that answers it. A generation that was evicted, has expired or went with a restart is begun anew and
 * equals no other, so what was loaded under the lost one is not stored.
 *
 * With Redis away every call rejects with `store-unavailable`. A `forget` that rejects may or may not have happened
 * ("rejected is not undone"), so this process does not trust the resource until a later `forget` of it has succeeded.
 */

import { randomUUID } from 'node:crypto';
import type { Resource } from '../resources.ts';
import type { Breaker } from './breaker.ts';
import type { ScriptedRedis } from './connections.ts';
import { cacheKeys } from './keys.ts';

/** Seconds a generation lives. A day is longer than any load, and losing one costs a load its place in the cache. */
const GENERATION_TTL_SECONDS = 86_400;
/** The generation of values that belong to no resource. */
const NO_GENERATION = '';

/** Where one value is kept. */
export interface CacheEntry {
  /** Before the prefix. */
  readonly key: string;
  readonly ttlSeconds: number;
  /** What makes it stale; undefined: nothing does. */
  readonly resource: Resource | undefined;
}

export interface GenerationsOptions {
  readonly redis: ScriptedRedis;
  readonly breaker: Breaker;
  /** Put before every key. */
  readonly prefix: string;
}

/** A `forget` that rejected; `order` is its place among those of this process. */
interface Undelivered {
  readonly resource: Resource;
  readonly keys: readonly string[];
  order: number;
  retry?: Promise<void>;
}

export class Generations {
  readonly #redis: ScriptedRedis;
  readonly #breaker: Breaker;
  readonly #prefix: string;
  /** Hits, misses. */
  readonly #counters: readonly [string, string];
  /** By generation key. */
  readonly #undelivered = new Map<string, Undelivered>();
  #forgets = 0;

  constructor({ redis, breaker, prefix }: GenerationsOptions) {
    this.#redis = redis;
    this.#breaker = breaker;
    this.#prefix = prefix;
    this.#counters = [prefix + cacheKeys.hits(), prefix + cacheKeys.misses()];
  }

  /** A value as it is stored, null when there is none, and the generation to hand to `fill` with what is loaded instead. */
  async read({ key, resource }: CacheEntry): Promise<{ readonly stored: Buffer | null; readonly generation: string }> {
    const name = this.#prefix + key;
    if (resource === undefined) {
      const stored = await this.#breaker.run(() => this.#redis.readCountedBuffer(name, ...this.#counters));
      return { stored, generation: NO_GENERATION };
    }
    const [stored, generation] = await this.#breaker.run(() =>
      this.#redis.readWithGenerationBuffer(
        name,
        this.#place(resource),
        ...this.#counters,
        randomUUID(),
        GENERATION_TTL_SECONDS,
      ),
    );
    return { stored, generation: generation.toString() };
  }

  /** Store what was loaded under a generation, unless the resource has changed since: then false. */
  fill({ key, ttlSeconds, resource }: CacheEntry, stored: string | Buffer, generation: string): Promise<boolean> {
    const name = this.#prefix + key;
    return this.#breaker.run(async () => {
      if (resource === undefined) return (await this.#redis.set(name, stored, 'EX', ttlSeconds)) === 'OK';
      return (await this.#redis.fillIfUnchanged(name, this.#place(resource), stored, ttlSeconds, generation)) === 1;
    });
  }

  /** Begin a new generation of a resource and remove the values under these keys. */
  async forget(resource: Resource, keys: readonly string[]): Promise<void> {
    const order = ++this.#forgets;
    const place = this.#place(resource);
    const names = [place, ...keys.map((key) => this.#prefix + key)];
    try {
      await this.#breaker.run(() =>
        this.#redis.invalidate(names.length, ...names, randomUUID(), GENERATION_TTL_SECONDS),
      );
    } catch (error) {
      const known = this.#undelivered.get(place);
      if (known === undefined) this.#undelivered.set(place, { resource, keys, order });
      else known.order = Math.max(known.order, order);
      throw error;
    }
    // One that began before the undelivered one did says nothing about what that one was to make forgotten.
    const pending = this.#undelivered.get(place);
    if (pending !== undefined && pending.order < order) this.#undelivered.delete(place);
  }

  /** May what is cached about this resource be believed? Delivers first what is still to be forgotten about it. */
  async trusts(resource: Resource): Promise<boolean> {
    const place = this.#place(resource);
    const pending = this.#undelivered.get(place);
    if (pending === undefined) return true;
    await this.#redeliver(pending);
    return !this.#undelivered.has(place);
  }

  /** Deliver whatever is undelivered, one after the other so that readers come first. Never rejects. */
  async redeliver(): Promise<void> {
    for (const pending of [...this.#undelivered.values()]) await this.#redeliver(pending);
  }

  /** Reads so far, of all processes. */
  async counts(): Promise<{ readonly hits: number; readonly misses: number }> {
    const [hits, misses] = await this.#breaker.run(() => this.#redis.mget(...this.#counters));
    return { hits: Number(hits ?? 0), misses: Number(misses ?? 0) };
  }

  /** One try at a time. Never rejects: what is still undelivered stays in the table, where every reader looks. */
  #redeliver(pending: Undelivered): Promise<void> {
    pending.retry ??= this.forget(pending.resource, pending.keys)
      .catch(() => undefined)
      .finally(() => delete pending.retry);
    return pending.retry;
  }

  #place(resource: Resource): string {
    return this.#prefix + cacheKeys.generation(resource);
  }
}
