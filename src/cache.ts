/**
 * Cached values in the cache Redis: remember what was loaded, forget it when its resource changes.
 *
 * Promises: no process serves a value older than an invalidation that has returned. A reader takes the value and its
 * resource's generation in one step; a load is joined or stored only under the generation it began with; an
 * invalidation changes the generation and removes the values in one step. 100 parallel misses are one load per process.
 *
 * With the cache away, reads load from the source at once; values tied to no resource stay up to 30 s in a small memory.
 * An invalidation that could not be delivered rejects, and until it is delivered this process trusts nothing cached
 * about that resource. The reasoning is in `docs/decisions/0007-cache-coherence.md`.
 */

import { randomUUID } from 'node:crypto';
import type { Config } from './config.ts';
import { AppError, isAppError, messageOf } from './errors.ts';
import { type Lifecycle, within } from './lifecycle.ts';
import type { Logger } from './logger.ts';
import type { Breaker } from './redis/breaker.ts';
import type { ScriptedRedis } from './redis/connections.ts';
import { cacheKeys } from './redis/keys.ts';
import type { Resource, ResourceKind } from './resources.ts';

type CacheConfig = Pick<
  Config,
  'CACHE_KEY_PREFIX' | 'PROFILE_CACHE_TTL_SECONDS' | 'EVOLUTION_CACHE_TTL_SECONDS' | 'ARCHETYPE_CACHE_TTL_SECONDS'
>;

/** One kind of cached value. */
export interface CachePolicy {
  /** Seconds a value lives. */
  readonly ttlSeconds: number;
  /** The kind of resource whose change makes the value stale; without one it just grows old. */
  readonly resource?: ResourceKind;
  readonly key: (tenant: string, id: string) => string;
}

/**
 * What is cached, for how long, and what makes it stale.
 *
 * A model's replies are not here and must not be: a reply belongs to one person's conversation, and a shared key hands
 * it to another. A row for them would need the person in its key, and would then never hit.
 */
export const cachePolicies = (config: CacheConfig) =>
  ({
    profile: { ttlSeconds: config.PROFILE_CACHE_TTL_SECONDS, resource: 'profile', key: cacheKeys.profile },
    evolution: { ttlSeconds: config.EVOLUTION_CACHE_TTL_SECONDS, resource: 'profile', key: cacheKeys.evolution },
    archetypes: { ttlSeconds: config.ARCHETYPE_CACHE_TTL_SECONDS, key: cacheKeys.archetypes },
    flowState: { ttlSeconds: 300, key: cacheKeys.flowState },
    flowMeta: { ttlSeconds: 3600, key: cacheKeys.flowMeta },
  }) as const satisfies Record<string, CachePolicy>;

export type CachePolicyName = keyof ReturnType<typeof cachePolicies>;

/** Seconds that `set` and `getOrSet` keep a value unless told. */
const DEFAULT_TTL_SECONDS = 300;
/** Seconds a generation lives; losing one only costs the loads under way their place in the cache. */
const GENERATION_TTL_SECONDS = 86_400;
/** The memory that stands in for an absent cache: entries, and milliseconds each may be served. */
const MEMORY = { entries: 100, ms: 30_000 };
/** Milliseconds a load may take before everyone who waits for it is refused. */
const LOAD_LIMIT_MS = 10_000;

export interface Remembered<T> {
  readonly value: T;
  /** `hit`: from the cache. `miss`: loaded, by us or by a load we joined. `bypass`: the cache could not be asked. */
  readonly outcome: 'hit' | 'miss' | 'bypass';
}

export interface CacheStats {
  /** Reads of all processes, since the cache Redis was last emptied; while it is away, as last seen. */
  readonly hits: number;
  readonly misses: number;
  /** Hits among all reads, 0–1; 0 when there were none. */
  readonly ratio: number;
  readonly status: CacheStatus;
}

export type CacheStatus = 'connected' | 'memory-fallback';

export interface CacheOptions {
  /** A client of the `cache` role. */
  readonly redis: ScriptedRedis;
  readonly breaker: Breaker;
  readonly config: CacheConfig;
  readonly logger: Logger;
  /** Told how each `remember` and `getOrSet` was answered, for metrics. */
  readonly onRead?: (outcome: Remembered<unknown>['outcome']) => void;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

interface Entry {
  readonly key: string;
  readonly ttlSeconds: number;
  readonly resource: Resource | undefined;
}

/** An invalidation that was not delivered: `order` says which of this process's invalidations it was. */
interface Undelivered {
  readonly resource: Resource;
  order: number;
  retry: Promise<void> | undefined;
}

export class Cache implements Lifecycle {
  readonly #redis: ScriptedRedis;
  readonly #breaker: Breaker;
  readonly #logger: Logger;
  readonly #prefix: string;
  readonly #policies: Readonly<Record<CachePolicyName, CachePolicy>>;
  readonly #onRead: NonNullable<CacheOptions['onRead']>;
  readonly #clock: () => number;
  readonly #stopListening: () => void;
  /** Loads under way, by key. */
  readonly #flights = new Map<string, { readonly generation: string; readonly value: Promise<unknown> }>();
  /** By generation key. */
  readonly #undelivered = new Map<string, Undelivered>();
  readonly #memory = new Map<string, { readonly value: unknown; readonly untilMs: number }>();
  #invalidations = 0;
  #counted = { hits: 0, misses: 0 };

  constructor({ redis, breaker, config, logger, onRead = () => {}, clock = Date.now }: CacheOptions) {
    this.#redis = redis;
    this.#breaker = breaker;
    this.#logger = logger;
    this.#prefix = config.CACHE_KEY_PREFIX;
    this.#policies = cachePolicies(config);
    this.#onRead = onRead;
    this.#clock = clock;
    this.#stopListening = breaker.onChange((state) => (state === 'open' ? this.#fellBack() : this.#recovered()));
  }

  /**
   * A value of the table from the cache, else from `load`, whose result must survive JSON. Everyone who waits for one
   * load shares its value (do not change it) or its error, which is not cached.
   */
  remember<T>(
    policy: CachePolicyName,
    { tenant, id }: { readonly tenant: string; readonly id: string },
    load: () => Promise<T>,
  ): Promise<Remembered<T>> {
    const { resource: kind, ttlSeconds, key } = this.#policies[policy];
    const resource = kind && { kind, tenant, id };
    return this.#remember({ key: this.#prefix + key(tenant, id), ttlSeconds, resource }, load);
  }

  /** Any value tied to no resource: from the cache, else from `load`, kept for `ttlSeconds`. */
  async getOrSet<T>(tenant: string, key: string, load: () => Promise<T>, ttlSeconds = DEFAULT_TTL_SECONDS): Promise<T> {
    const entry = { key: this.#prefix + cacheKeys.value(tenant, key), ttlSeconds, resource: undefined };
    return (await this.#remember(entry, load)).value;
  }

  /**
   * Make every process forget what it knows about these resources. Rejects with `store-unavailable` when that could not
   * be made sure; what was changed must then not be called done before a later call has succeeded.
   */
  async invalidate(resources: readonly Resource[]): Promise<void> {
    const results = await Promise.allSettled(resources.map((resource) => this.#deliver(resource)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed === undefined) return;
    throw new AppError('store-unavailable', 'The cache could not be told what changed.', {
      cause: failed.reason,
      retryAfterSeconds: 2,
    });
  }

  /** What `set` stored: parsed, or the raw text if it is not JSON; undefined when there is none or the cache is away. */
  get(tenant: string, key: string): Promise<unknown> {
    return this.#get(cacheKeys.value(tenant, key));
  }

  /** Store a value as JSON. False when the cache is away. */
  set(tenant: string, key: string, value: unknown, ttlSeconds = DEFAULT_TTL_SECONDS): Promise<boolean> {
    return this.#set(cacheKeys.value(tenant, key), value, ttlSeconds);
  }

  /** Forget a value. True when there was one. Rejects with `store-unavailable`: it may then still be there. */
  async delete(tenant: string, key: string): Promise<boolean> {
    const name = this.#prefix + cacheKeys.value(tenant, key);
    this.#memory.delete(name);
    return (await this.#breaker.run(() => this.#redis.unlink(name))) === 1;
  }

  /** As `get`, for a value of the table. */
  read(policy: CachePolicyName, { tenant, id }: { readonly tenant: string; readonly id: string }): Promise<unknown> {
    return this.#get(this.#policies[policy].key(tenant, id));
  }

  /** As `set`, for a value of the table that is written rather than loaded. `ttlSeconds`: the table's unless told. */
  write(
    policy: 'flowState' | 'flowMeta',
    { tenant, id }: { readonly tenant: string; readonly id: string },
    value: unknown,
    ttlSeconds = this.#policies[policy].ttlSeconds,
  ): Promise<boolean> {
    return this.#set(this.#policies[policy].key(tenant, id), value, ttlSeconds);
  }

  /** Whether reads reach the cache Redis just now. */
  get status(): CacheStatus {
    return this.#breaker.state === 'closed' && this.#redis.status === 'ready' ? 'connected' : 'memory-fallback';
  }

  /** Hits and misses of all processes. Exact: a read is counted by the script that answers it. */
  async stats(): Promise<CacheStats> {
    const counters = await this.#ask(() => this.#redis.mget(this.#counters));
    if (counters !== undefined) this.#counted = { hits: Number(counters[0] ?? 0), misses: Number(counters[1] ?? 0) };
    const { hits, misses } = this.#counted;
    return { hits, misses, ratio: hits === 0 ? 0 : hits / (hits + misses), status: this.status };
  }

  async stop(): Promise<void> {
    this.#stopListening();
    this.#memory.clear();
  }
}
