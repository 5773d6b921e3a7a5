/**
 * Cached values in the cache Redis: remember what was loaded, forget it when its resource changes.
 *
 * Promises: no process serves a value older than an invalidation that has returned; 100 parallel misses are one load per
 * process; a load that fails is not cached; a value that is damaged is loaded again. A load in flight is joined, and its
 * value stored, only under the generation of the resource that it began with.
 *
 * With the cache away, reads load from the source at once; values tied to no resource stay up to 30 s in a small memory.
 * An invalidation that could not be delivered rejects, and until it is delivered this process trusts nothing cached
 * about that resource. The reasoning is in `docs/decisions/0007-cache-coherence.md`.
 */

import { AppError, isAppError, messageOf } from './errors.ts';
import { type Lifecycle, within } from './lifecycle.ts';
import type { Logger } from './logger.ts';
import type { Breaker } from './redis/breaker.ts';
import { type CacheConfig, type CachePolicy, type CachePolicyName, cachePolicies } from './redis/cache-policies.ts';
import type { ScriptedRedis } from './redis/connections.ts';
import { type CacheEntry, Generations } from './redis/generations.ts';
import { cacheKeys } from './redis/keys.ts';
import { pack, unpack } from './redis/packed-value.ts';
import type { Resource } from './resources.ts';

/** Seconds that `set` and `getOrSet` keep a value unless told. */
const DEFAULT_TTL_SECONDS = 300;
/** What stands in for an absent cache: most entries, and milliseconds each may be served. */
const MEMORY = { entries: 100, ms: 30_000 } as const;
/** Milliseconds a load may take before everyone who waits for it is refused. */
const LOAD_LIMIT_MS = 10_000;

export interface Remembered<T> {
  readonly value: T;
  /** `hit`: from the cache. `miss`: loaded, by us or by a load we joined. `bypass`: the cache could not be asked. */
  readonly outcome: 'hit' | 'miss' | 'bypass';
}

export type CacheStatus = 'connected' | 'memory-fallback';

export interface CacheStats {
  /** Reads of all processes since the cache Redis was last emptied; as last seen while it is away. */
  readonly hits: number;
  readonly misses: number;
  /** Hits among all reads, 0–1; 0 when there were none. */
  readonly ratio: number;
  readonly status: CacheStatus;
}

export interface CacheOptions {
  /** A client of the `cache` role. */
  readonly redis: ScriptedRedis;
  readonly breaker: Breaker;
  readonly config: CacheConfig;
  readonly logger: Logger;
  /** Told how each read that loads was answered. */
  readonly onRead?: (outcome: Remembered<unknown>['outcome']) => void;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

/** Which value of a policy. */
interface Subject {
  readonly tenant: string;
  readonly id: string;
}

export class Cache implements Lifecycle {
  readonly #redis: ScriptedRedis;
  readonly #generations: Generations;
  readonly #breaker: Breaker;
  readonly #logger: Logger;
  readonly #onRead: NonNullable<CacheOptions['onRead']>;
  readonly #prefix: string;
  readonly #policies: Readonly<Record<CachePolicyName, CachePolicy>>;
  readonly #clock: () => number;
  readonly #stopListening: () => void;
  /** Loads under way, by key. */
  readonly #flights = new Map<string, { readonly generation: string; readonly value: Promise<unknown> }>();
  readonly #memory = new Map<string, { readonly value: unknown; readonly untilMs: number }>();
  #counted = { hits: 0, misses: 0 };

  constructor({ redis, breaker, config, logger, onRead = () => {}, clock = Date.now }: CacheOptions) {
    this.#redis = redis;
    this.#prefix = config.CACHE_KEY_PREFIX;
    this.#generations = new Generations({ redis, breaker, prefix: this.#prefix });
    this.#breaker = breaker;
    this.#logger = logger;
    this.#onRead = onRead;
    this.#policies = cachePolicies(config);
    this.#clock = clock;
    this.#stopListening = breaker.onChange((state) => this.#changed(state));
  }

  /**
   * A value from the cache, else from `load`, whose result must survive JSON. Everyone who waits for one load shares its
   * value, so do not change it, or its error.
   */
  remember<T>(policy: CachePolicyName, { tenant, id }: Subject, load: () => Promise<T>): Promise<Remembered<T>> {
    const { key, ttlSeconds, resource: kind } = this.#policies[policy];
    return this.#remember({ key: key(tenant, id), ttlSeconds, resource: kind && { kind, tenant, id } }, load);
  }

  /** Any value that belongs to no resource: from the cache, else from `load` and kept for `ttlSeconds`. */
  async getOrSet<T>(tenant: string, key: string, load: () => Promise<T>, ttlSeconds = DEFAULT_TTL_SECONDS): Promise<T> {
    const entry = { key: cacheKeys.value(tenant, key), ttlSeconds, resource: undefined };
    return (await this.#remember(entry, load)).value;
  }

  /**
   * Make every process forget these resources. Rejects with `store-unavailable` when that is not certain: what changed
   * must then not be called done until a later call has succeeded.
   */
  async invalidate(resources: readonly Resource[]): Promise<void> {
    const results = await Promise.allSettled(resources.map((resource) => this.#forget(resource)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed === undefined) return;
    throw new AppError('store-unavailable', 'The cache could not be told what has changed.', {
      cause: failed.reason,
      retryAfterSeconds: 2,
    });
  }

  /** What `set` stored: parsed, or as it stands if it is not JSON; undefined: nothing, damaged, or the cache is away. */
  get(tenant: string, key: string): Promise<unknown> {
    return this.#get(cacheKeys.value(tenant, key));
  }

  /** Store a value as JSON, packed when it is long. False when the cache is away. */
  set(tenant: string, key: string, value: unknown, ttlSeconds = DEFAULT_TTL_SECONDS): Promise<boolean> {
    return this.#set(cacheKeys.value(tenant, key), value, ttlSeconds);
  }

  /** Forget a value of `set` or `getOrSet`. Rejects with `store-unavailable` when it may still be there. */
  async delete(tenant: string, key: string): Promise<void> {
    const place = cacheKeys.value(tenant, key);
    this.#memory.delete(place);
    await this.#breaker.run(() => this.#redis.unlink(this.#prefix + place));
  }

  /** As `get`, for a flow. */
  readFlow(part: 'flowState' | 'flowMeta', { tenant, id }: Subject): Promise<unknown> {
    return this.#get(this.#policies[part].key(tenant, id));
  }

  /** As `set`, for a flow; the table's TTL unless told. */
  writeFlow(part: 'flowState' | 'flowMeta', { tenant, id }: Subject, value: unknown, ttlSeconds?: number) {
    const policy = this.#policies[part];
    return this.#set(policy.key(tenant, id), value, ttlSeconds ?? policy.ttlSeconds);
  }

  /** Whether reads reach the cache Redis just now. */
  get status(): CacheStatus {
    return this.#breaker.state === 'closed' && this.#redis.status === 'ready' ? 'connected' : 'memory-fallback';
  }

  /** Hits and misses of all processes, exact: the script that answers a read counts it. */
  async stats(): Promise<CacheStats> {
    this.#counted = (await this.#ask('count', () => this.#generations.counts())) ?? this.#counted;
    const { hits, misses } = this.#counted;
    return { hits, misses, ratio: hits === 0 ? 0 : hits / (hits + misses), status: this.status };
  }

  async stop(): Promise<void> {
    this.#stopListening();
    this.#memory.clear();
  }

  async #remember<T>(entry: CacheEntry, load: () => Promise<T>): Promise<Remembered<T>> {
    const trusted = entry.resource === undefined || (await this.#generations.trusts(entry.resource));
    const read = trusted ? await this.#ask('read', () => this.#generations.read(entry)) : undefined;
    const cached = read === undefined ? undefined : parseJson(textOf(read.stored));
    this.#onRead(read === undefined ? 'bypass' : cached === undefined ? 'miss' : 'hit');
    if (read === undefined) return { value: await this.#bypass(entry, load), outcome: 'bypass' };
    if (cached !== undefined) return { value: cached.value as T, outcome: 'hit' };
    return { value: await this.#loadOnce(entry, read.generation, load), outcome: 'miss' };
  }

  /** Nobody can say under which generation a load began while the cache is away: what has a resource loads alone. */
  #bypass<T>(entry: CacheEntry, load: () => Promise<T>): Promise<T> {
    if (entry.resource !== undefined) return loadInTime(load);
    const kept = this.#memory.get(entry.key);
    if (kept !== undefined && kept.untilMs > this.#clock()) return Promise.resolve(kept.value as T);
    return this.#loadOnce(entry, '', load);
  }

  /** Join the load in flight if it began under this generation, else begin one. */
  #loadOnce<T>(entry: CacheEntry, generation: string, load: () => Promise<T>): Promise<T> {
    const underWay = this.#flights.get(entry.key);
    if (underWay?.generation === generation) return underWay.value as Promise<T>;
    const flight = { generation, value: this.#loadAndFill(entry, generation, load) };
    this.#flights.set(entry.key, flight);
    const land = () => {
      if (this.#flights.get(entry.key) === flight) this.#flights.delete(entry.key);
    };
    flight.value.then(land, land);
    return flight.value;
  }

  async #loadAndFill<T>(entry: CacheEntry, generation: string, load: () => Promise<T>): Promise<T> {
    const value = await loadInTime(load);
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined) return value;
    const filled = await this.#ask('fill', () => this.#generations.fill(entry, pack(text), generation));
    if (filled === undefined && entry.resource === undefined) this.#keep(entry, value);
    return value;
  }

  #keep({ key, ttlSeconds }: CacheEntry, value: unknown): void {
    this.#memory.delete(key);
    this.#memory.set(key, { value, untilMs: this.#clock() + Math.min(ttlSeconds * 1000, MEMORY.ms) });
    const [oldest] = this.#memory.keys();
    if (this.#memory.size > MEMORY.entries && oldest !== undefined) this.#memory.delete(oldest);
  }

  async #get(key: string): Promise<unknown> {
    const stored = await this.#ask('read', () => this.#breaker.run(() => this.#redis.getBuffer(this.#prefix + key)));
    const text = textOf(stored);
    const parsed = parseJson(text);
    return parsed === undefined ? text : parsed.value;
  }

  async #set(key: string, value: unknown, ttlSeconds: number): Promise<boolean> {
    const stored = pack(JSON.stringify(value) ?? 'null');
    const write = () => this.#redis.set(this.#prefix + key, stored, 'EX', ttlSeconds);
    return (await this.#ask('write', () => this.#breaker.run(write))) !== undefined;
  }

  /** Ask the cache; undefined when it cannot say. The breaker tells of outages; other errors are logged here. */
  async #ask<T>(what: string, question: () => Promise<T>): Promise<T | undefined> {
    try {
      return await question();
    } catch (error) {
      if (!isAppError(error, 'store-unavailable')) {
        this.#logger.warn({ what, err: { message: messageOf(error) } }, 'the cache refused; going on without it');
      }
      return undefined;
    }
  }

  #forget(resource: Resource): Promise<void> {
    const bound = Object.values(this.#policies).filter((policy) => policy.resource === resource.kind);
    return this.#generations.forget(
      resource,
      bound.map((policy) => policy.key(resource.tenant, resource.id)),
    );
  }

  #changed(state: 'closed' | 'open'): void {
    this.#memory.clear();
    if (state === 'open') this.#logger.warn('the cache is away: reads go to the source');
    else {
      this.#logger.info('the cache is back: reads use it again');
      void this.#generations.redeliver();
    }
  }
}

function textOf(stored: Buffer | null | undefined): string | undefined {
  return stored === null || stored === undefined ? undefined : unpack(stored);
}

/** What a text says; undefined when it is not JSON: then the value counts as not there. */
function parseJson(text: string | undefined): { readonly value: unknown } | undefined {
  if (text === undefined) return undefined;
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

function loadInTime<T>(load: () => Promise<T>): Promise<T> {
  const late = () => new AppError('store-unavailable', 'The source of a cached value did not answer within 10 s.');
  return within(LOAD_LIMIT_MS, load(), late);
}
