/**
 * Hold a resource while a function runs: one holder at a time, over every process.
 *
 * Promises: the lease is renewed while the function runs, and given back when it ends, by its holder only; when the lease
 * is lost (taken, expired, Redis away for too long) the function's signal aborts before the lease ends, and `hold`
 * rejects with `lock-lost` whatever the function then does. Waiting is short and bounded; the caller comes back later.
 *
 * With Redis away `hold` rejects with `store-unavailable` and the function does not run. A lease saves wasted work; it is
 * no proof (a process can be paused past its end): the fence in the row decides. See
 * `docs/decisions/0004-locks-and-fences.md`.
 */

import Redlock, { ExecutionError, type Lock, ResourceLockedError } from 'redlock';
import { AppError, messageOf } from './errors.ts';
import { pause, within } from './lifecycle.ts';
import type { Logger } from './logger.ts';
import { isRedisUnable } from './redis/breaker.ts';
import type { ScriptedRedis } from './redis/connections.ts';
import { queueKeys } from './redis/keys.ts';
import type { Resource, ResourceKind } from './resources.ts';

/** Milliseconds that a lease lasts without being renewed: how long a crashed holder blocks the next one. */
export const LEASE_MS = {
  profile: 5000,
  flow: 30_000,
  import: 30_000,
  analysis: 30_000,
  archetypes: 5000,
  character: 5000,
  conversation: 5000,
  sweep: 10_000,
} as const satisfies Record<ResourceKind, number>;

const DEFAULT_WAIT_MS = 300;
/** Milliseconds between two tries to take a lock: drawn anew each time, so that waiters do not march in step. */
const BETWEEN_TRIES_MS = { least: 10, most: 40 } as const;
/** Milliseconds one try may take. The client's own limit, which redlock would wait for twice. */
const TRY_LIMIT_MS = 1500;
/** Milliseconds before a renewal that failed is tried again. */
const RENEW_AGAIN_MS = 100;

/** How waiting for a lock ended: taken; held by somebody else to the end; Redis away or failing; caller gave up. */
export type WaitOutcome = 'taken' | 'contended' | 'unavailable' | 'aborted';

export interface LocksOptions {
  /** A client of the `producer` role. */
  readonly redis: ScriptedRedis;
  readonly logger: Logger;
  /** Put before every key. */
  readonly keyPrefix: string;
  /** Told of every wait: kind of resource, milliseconds, how it ended. */
  readonly onWait?: (kind: ResourceKind, ms: number, outcome: WaitOutcome) => void;
}

export interface HoldOptions {
  /** Ends the waiting, and aborts the function's signal. */
  readonly signal?: AbortSignal;
  /** Milliseconds to go on trying while somebody else holds it. Default 300: a waiting job keeps a worker's slot. */
  readonly waitMs?: number;
  /** Milliseconds of the lease. Default: by kind of resource. */
  readonly ttlMs?: number;
}

export class Locks {
  readonly #redlock: Redlock;
  readonly #logger: Logger;
  readonly #keyPrefix: string;
  readonly #onWait: NonNullable<LocksOptions['onWait']>;

  constructor({ redis, logger, keyPrefix, onWait = () => {} }: LocksOptions) {
    // retryCount 0: a lock that redlock takes after waiting has an expiry counted from before the wait.
    this.#redlock = new Redlock([redis], { retryCount: 0 });
    this.#logger = logger;
    this.#keyPrefix = keyPrefix;
    this.#onWait = onWait;
  }

  /**
   * Run `work` while holding `resource`. Rejects with `resource-held`, `store-unavailable`, `lock-lost`, the reason of
   * `options.signal` if it aborts the waiting, or `work`'s own error. Settles when `work` has: `work` must heed its
   * signal. Not reentrant.
   */
  async hold<T>(resource: Resource, options: HoldOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { kind } = resource;
    const { signal, waitMs = DEFAULT_WAIT_MS, ttlMs = LEASE_MS[kind] } = options;
    const lock = await this.#take(resource, { signal, waitMs, ttlMs });
    const lease = new Lease(lock, ttlMs, this.#logger.child({ lock: kind }));
    try {
      const result = await work(signal === undefined ? lease.signal : AbortSignal.any([signal, lease.signal]));
      await lease.end();
      lease.signal.throwIfAborted();
      return result;
    } catch (error) {
      await lease.end();
      throw lease.signal.aborted ? lease.signal.reason : error;
    }
  }

  async #take(
    resource: Resource,
    { signal, waitMs, ttlMs }: { signal: AbortSignal | undefined; waitMs: number; ttlMs: number },
  ): Promise<Lock> {
    const startedMs = performance.now();
    const waitedMs = () => performance.now() - startedMs;
    let outcome: WaitOutcome = 'unavailable';
    try {
      for (;;) {
        signal?.throwIfAborted();
        const lock = await this.#try(this.#keyPrefix + queueKeys.lock(resource), ttlMs, signal);
        if (lock !== undefined) {
          outcome = 'taken';
          return lock;
        }
        if (waitedMs() >= waitMs) {
          outcome = 'contended';
          throw new AppError('resource-held', `Another attempt holds this ${resource.kind}.`, { retryAfterSeconds: 1 });
        }
        const { least, most } = BETWEEN_TRIES_MS;
        await pause(Math.min(waitMs - waitedMs(), least + Math.random() * (most - least)), signal);
      }
    } catch (error) {
      if (signal?.aborted) outcome = 'aborted';
      throw error;
    } finally {
      this.#onWait(resource.kind, waitedMs(), outcome);
    }
  }

  /** One try; undefined when somebody else holds it. */
  async #try(key: string, ttlMs: number, signal: AbortSignal | undefined): Promise<Lock | undefined> {
    const taking = this.#redlock.acquire([key], ttlMs);
    try {
      const late = () => new AppError('store-unavailable', 'Redis did not answer in time.', { retryAfterSeconds: 2 });
      return await within(TRY_LIMIT_MS, unlessAborted(taking, signal), late);
    } catch (error) {
      // Rejected is not undone: a try that we gave up may still succeed, and is then given back. Its failure is ours.
      taking.then(
        (lock) => this.#giveBack(lock),
        () => undefined,
      );
      const refusal = await refusalOf(error);
      if (refusal instanceof ResourceLockedError) return undefined;
      throw isRedisUnable(refusal)
        ? new AppError('store-unavailable', 'Redis does not answer.', { cause: refusal, retryAfterSeconds: 2 })
        : refusal;
    }
  }

  #giveBack(lock: Lock): void {
    lock.release().catch((error: unknown) => {
      this.#logger.warn({ err: { message: messageOf(error) } }, 'a lock was not given back; it will expire');
    });
  }
}

/** One held lock: renewed at a third of its time, watched to its end, given back once. */
class Lease {
  readonly #ttlMs: number;
  readonly #logger: Logger;
  readonly #lost = new AbortController();
  readonly #over = new AbortController();
  readonly #renewing: Promise<void>;
  #lock: Lock;
  /** A copy: redlock zeroes the old lock's expiry a moment before it hands over the new one. */
  #untilMs = 0;
  #watch: NodeJS.Timeout | undefined;
  #ended: Promise<void> | undefined;

  constructor(lock: Lock, ttlMs: number, logger: Logger) {
    this.#lock = lock;
    this.#ttlMs = ttlMs;
    this.#logger = logger;
    this.#watchExpiry();
    this.#renewing = this.#renew();
  }

  /** Aborts with `lock-lost` as soon as the lease is known to be lost, at the latest when it ends. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  /** Stop renewing and give the lock back. Never rejects; a lease that turns out to be lost aborts the signal. */
  end(): Promise<void> {
    this.#ended ??= this.#giveBack();
    return this.#ended;
  }

  async #giveBack(): Promise<void> {
    // Before anything is awaited: a process that was paused past the end may not have heard its timer yet.
    if (Date.now() >= this.#untilMs) this.#lose('its time had passed');
    this.#over.abort();
    clearTimeout(this.#watch);
    await this.#renewing;
    try {
      await this.#lock.release();
    } catch (error) {
      const refusal = await refusalOf(error);
      if (refusal instanceof ResourceLockedError) this.#lose('it was gone before the work ended');
      else this.#logger.warn({ err: { message: messageOf(refusal) } }, 'a lock was not given back; it will expire');
    }
  }

  async #renew(): Promise<void> {
    let waitMs = this.#ttlMs / 3;
    for (;;) {
      await pause(waitMs, this.#over.signal);
      if (this.#over.signal.aborted) return;
      try {
        this.#lock = await this.#lock.extend(this.#ttlMs);
        if (!this.#over.signal.aborted) this.#watchExpiry();
        waitMs = this.#ttlMs / 3;
      } catch (error) {
        const refusal = await refusalOf(error);
        if (refusal instanceof ResourceLockedError) return this.#lose('somebody else has it, or it is gone');
        this.#logger.warn({ err: { message: messageOf(refusal) } }, 'a lock was not renewed; trying again');
        waitMs = Math.min(RENEW_AGAIN_MS, this.#ttlMs / 10);
      }
    }
  }

  #watchExpiry(): void {
    clearTimeout(this.#watch);
    this.#untilMs = this.#lock.expiration;
    this.#watch = setTimeout(() => this.#lose('it could not be renewed in time'), this.#untilMs - Date.now());
  }

  #lose(how: string): void {
    if (this.#lost.signal.aborted) return;
    this.#over.abort();
    clearTimeout(this.#watch);
    this.#lost.abort(new AppError('lock-lost', `The lock was lost: ${how}.`, { retryAfterSeconds: 1 }));
  }
}

/** What the one server said: redlock wraps it in the votes of all. Anything else comes back as it is. */
async function refusalOf(error: unknown): Promise<unknown> {
  if (!(error instanceof ExecutionError)) return error;
  const votes = await error.attempts.at(-1);
  const [refusal] = votes?.votesAgainst.values() ?? [];
  return refusal ?? error;
}

/** The work's outcome, or the signal's reason if that comes first. The work itself goes on. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const settled = new AbortController();
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true, signal: settled.signal });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    settled.abort();
  }
}
