/**
 * A breaker around one Redis role: when Redis stops answering, calls fail at once instead of each waiting its timeout.
 *
 * Promises: it opens after three consecutive failures or one timeout; while it is open no call reaches Redis; it asks
 * with PING when it opens, every second after that and whenever the client has reconnected, and closes with the first
 * answer, so within 2 s of Redis's return. Only a Redis that is away counts as a failure: a WRONGTYPE or a script's
 * error passes through unchanged, for it shows that Redis is there. A Redis that takes no writes (full memory or disk) is
 * `store-unavailable` too, but opens nothing: reads go on. A refused call may still have been carried out
 * ("rejected is not undone"): that is the caller's to handle.
 */

import { CircuitState, circuitBreaker, handleWhen, type IBreaker } from 'cockatiel';
import { AppError, messageOf } from '../errors.ts';
import { type Lifecycle, within } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import type { Redis } from './connections.ts';

/** Consecutive failures that open it. A timeout alone weighs as much: the next caller would wait as long. */
const STRIKES = 3;
/** Milliseconds between two PINGs, and how long one may take. */
const PROBE_MS = 1000;
/** What a refused caller is told to wait: twice a probe. */
const RETRY_AFTER_SECONDS = 2;

/** What ioredis rejects with when `commandTimeout` has passed. */
const TIMED_OUT = 'Command timed out';
/** What ioredis says about a connection that is not there; it has no codes for these. */
const NOT_CONNECTED = ["Stream isn't writeable", 'Connection is closed', 'Command aborted due to connection close'];
/** What its clients of Sentinels and of a Cluster say when no server can be found. */
const NOT_FOUND = [
  'All sentinels are unreachable',
  'None of startup nodes is available',
  'Failed to refresh slots cache',
  'Too many Cluster redirections',
  // …n't ready, … ended, … disconnected.
  'Cluster is',
];
/** Replies of a server that is there but cannot serve: starting, demoted, cut off, busy in a script, or handing over a slot. */
const NOT_SERVING = /^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|BUSY|UNBLOCKED|TRYAGAIN|MOVED|ASK) /;

/** Replies of a server that answers but takes no writes: full memory, full disk, too few replicas, a right that was taken away. */
const TAKES_NO_WRITES = /^(OOM|MISCONF|NOREPLICAS|NOPERM|NOAUTH|WRONGPASS) /;

/** Can Redis not do this just now, whether it is away or takes no writes? */
export function isRedisUnable(error: unknown): boolean {
  return isRedisAway(error) || (error instanceof Error && TAKES_NO_WRITES.test(error.message));
}

/** Did this fail because Redis is away or did not answer in time, rather than because of what was asked of it? */
export function isRedisAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('syscall' in error || error.name === 'MaxRetriesPerRequestError') return true;
  const { message } = error;
  const isLost = [...NOT_CONNECTED, ...NOT_FOUND].some((start) => message.startsWith(start));
  return isLost || isTimeout(error) || NOT_SERVING.test(message);
}

function isTimeout(error: Error): boolean {
  return error.message === TIMED_OUT || ('code' in error && error.code === 'ETIMEDOUT');
}

/** What says that nothing was carried out: no connection to send on, or a reply that refuses. */
const NOT_DONE =
  /^(Stream isn't writeable|OOM|MISCONF|NOREPLICAS|NOPERM|NOAUTH|LOADING|READONLY|MASTERDOWN|CLUSTERDOWN) ?/;

const neverSent = new WeakSet<Error>();

function notSent<E extends Error>(error: E): E {
  neverSent.add(error);
  return error;
}

/** Is it certain that Redis has carried out nothing of what failed with this? */
export function isNeverSent(error: unknown): boolean {
  return error instanceof Error && neverSent.has(error);
}

/** Counts failures; `weigh` sees the error before cockatiel asks for the verdict. */
class Strikes implements IBreaker {
  state = 0;

  weigh(error: Error): boolean {
    const away = isRedisAway(error);
    this.state = away ? this.state + (isTimeout(error) ? STRIKES : 1) : 0;
    return away;
  }

  success(): void {
    this.state = 0;
  }

  failure(): boolean {
    return this.state >= STRIKES;
  }
}

/** `half-open`: a PING is under way; calls are refused until it is answered. */
export type BreakerState = 'closed' | 'open' | 'half-open';

export interface BreakerOptions {
  /** Names the store in errors and logs: `redis`, `cache`. */
  readonly name: string;
  /** Probed with PING. */
  readonly client: Redis;
  readonly logger: Logger;
}

/** Refuses calls while Redis is away; see the top of this file. */
export class Breaker implements Lifecycle {
  readonly #name: string;
  readonly #client: Redis;
  readonly #logger: Logger;
  readonly #policy;
  readonly #listeners = new Set<(state: 'closed' | 'open') => void>();
  readonly #onReady = () => void this.#probe();
  #announced: 'closed' | 'open' = 'closed';
  #timer: NodeJS.Timeout | undefined;
  #probing = false;
  #stopped = false;

  constructor({ name, client, logger }: BreakerOptions) {
    this.#name = name;
    this.#client = client;
    this.#logger = logger;
    const strikes = new Strikes();
    // halfOpenAfter 0: when to let a call through is decided here, by the probe alone.
    this.#policy = circuitBreaker(
      handleWhen((error) => strikes.weigh(error)),
      { halfOpenAfter: 0, breaker: strikes },
    );
    this.#policy.onBreak((reason) => this.#opened('error' in reason ? reason.error : undefined));
    this.#policy.onReset(() => this.#announce('closed'));
    client.on('ready', this.#onReady);
  }

  get state(): BreakerState {
    if (this.#policy.state === CircuitState.Closed) return 'closed';
    return this.#policy.state === CircuitState.HalfOpen ? 'half-open' : 'open';
  }

  /** Be told when it opens and when it closes again. Returns how to stop being told. */
  onChange(listener: (state: 'closed' | 'open') => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Resolves once it is closed, or the signal aborts. */
  closes(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const heard = () => {
        forget();
        signal.removeEventListener('abort', heard);
        resolve();
      };
      const forget = this.onChange((state) => state === 'closed' && heard());
      signal.addEventListener('abort', heard, { once: true });
      if (this.state === 'closed' || signal.aborted) heard();
    });
  }

  /** Run commands. Throws `store-unavailable` when Redis is away, at once while open; other errors pass unchanged. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.state !== 'closed') throw notSent(this.#unavailable(this.#policy.lastFailure));
    try {
      return await this.#policy.execute(work);
    } catch (error) {
      if (!isRedisUnable(error)) throw error;
      const unavailable = this.#unavailable(error);
      throw NOT_DONE.test(messageOf(error)) ? notSent(unavailable) : unavailable;
    }
  }

  /** Stop probing. A breaker that is open then stays open. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#client.off('ready', this.#onReady);
    this.#listeners.clear();
  }

  #unavailable(cause: unknown): AppError {
    return new AppError('store-unavailable', `The store "${this.#name}" does not answer.`, {
      cause,
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    });
  }

  #opened(error: Error | undefined): void {
    this.#announce('open', error);
    if (!this.#probing) queueMicrotask(this.#onReady);
  }

  async #probe(): Promise<void> {
    if (this.#probing || this.#stopped || this.state === 'closed') return;
    this.#probing = true;
    clearTimeout(this.#timer);
    try {
      await this.#policy.execute(() => within(PROBE_MS, this.#client.ping(), () => new Error(TIMED_OUT)));
    } catch (error) {
      this.#logger.debug({ redis: this.#name, err: { message: messageOf(error) } }, 'still no answer to PING');
    } finally {
      this.#probing = false;
    }
    this.#probeLater();
  }

  #probeLater(): void {
    if (this.state !== 'closed' && !this.#stopped) this.#timer = setTimeout(this.#onReady, PROBE_MS);
  }

  #announce(state: 'closed' | 'open', error?: Error): void {
    if (this.#announced === state) return;
    this.#announced = state;
    const redis = this.#name;
    if (state === 'closed') this.#logger.info({ redis }, 'Redis answers again; calls go through');
    else this.#logger.warn({ redis, err: { message: error?.message } }, 'Redis does not answer; calls fail at once');
    for (const listener of this.#listeners) listener(state);
  }
}
