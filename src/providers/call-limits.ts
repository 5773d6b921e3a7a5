/**
 * The time limits of one call whose answer comes in pieces: until the first, between two, and for all of them.
 *
 * Promises: the signal aborts with the reason that came first; after `end` no timer is left.
 */

import { AppError } from '../errors.ts';

/** Milliseconds. */
export interface CallTimes {
  readonly firstByteMs: number;
  readonly idleMs: number;
  readonly totalMs: number;
}

export class CallLimits {
  readonly #times: CallTimes;
  readonly #late = new AbortController();
  readonly #total: NodeJS.Timeout;
  #next: NodeJS.Timeout;
  /** Aborts when the caller's signal does, or a limit has passed. */
  readonly signal: AbortSignal;

  constructor(times: CallTimes, callers: AbortSignal) {
    this.#times = times;
    this.signal = AbortSignal.any([callers, this.#late.signal]);
    this.#total = this.#abortIn(times.totalMs, `did not finish within ${times.totalMs} ms`);
    this.#next = this.#abortIn(times.firstByteMs, `did not begin to answer within ${times.firstByteMs} ms`);
  }

  /** Something came. */
  heard(): void {
    clearTimeout(this.#next);
    const { idleMs } = this.#times;
    this.#next = this.#abortIn(idleMs, `sent nothing for ${idleMs} ms`);
  }

  end(): void {
    clearTimeout(this.#next);
    clearTimeout(this.#total);
  }

  #abortIn(ms: number, what: string): NodeJS.Timeout {
    return setTimeout(() => this.#late.abort(new AppError('provider-failed', `The provider ${what}.`)), ms);
  }
}
