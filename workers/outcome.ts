/**
 * What the end of an attempt means, as a table: the other half of `run-job.ts`.
 *
 *   nothing thrown                                completed
 *   Snooze                                        later, no attempt spent
 *   resource held, fence lost, a store away       later, no attempt spent
 *   shutting down                                 put back, available now
 *   cancelled, permanent error, bad payload       dead letter at once
 *   anything else                                 retry with backoff, then dead letter
 */

import { AppError, isAppError, messageOf, Snooze } from '../src/errors.ts';
import type { Effort } from '../src/queue/job.ts';

export type Outcome =
  | { readonly kind: 'later'; readonly delayMs: number; readonly why: string }
  | { readonly kind: 'put-back' }
  | { readonly kind: 'dead'; readonly code: string; readonly message: string }
  | { readonly kind: 'retry'; readonly code: string; readonly message: string };

/** Milliseconds until a `later` error without a time of its own is tried again; up to as much again is jitter. */
const LATER_MS = 100;

/** What to do with what an attempt threw. `random` is 0–1. */
export function outcomeOf(error: unknown, random: () => number = Math.random): Outcome {
  if (error instanceof Snooze) return { kind: 'later', delayMs: error.delayMs, why: error.message };
  if (isAppError(error, 'shutting-down')) return { kind: 'put-back' };
  if (!(error instanceof AppError)) return { kind: 'retry', code: 'internal', message: messageOf(error) };
  const { code, message } = error;
  switch (error.retry) {
    case 'later': {
      const baseMs = error.retryAfterSeconds === undefined ? LATER_MS : error.retryAfterSeconds * 1000;
      return { kind: 'later', delayMs: Math.round(baseMs * (1 + random())), why: `${code}: ${message}` };
    }
    case 'never':
      return { kind: 'dead', code, message };
    case 'backoff':
      return { kind: 'retry', code, message };
  }
}

/** Milliseconds before the attempt after `made` failed ones: doubles each time up to the cap; half of it is jitter. */
export function backoffMs(backoff: Effort['backoff'], made: number, random: () => number = Math.random): number {
  const ceiling = Math.min(backoff.capMs, backoff.delayMs * 2 ** Math.max(0, made - 1));
  return Math.round(ceiling * (0.5 + 0.5 * random()));
}
