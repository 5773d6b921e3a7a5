/**
 * When each request should be sent, whatever the service does.
 *
 * Promises: times are in milliseconds from the start, ascending, and below the duration; the same seed gives the same
 * times; nothing is stored, so that an hour at 20,000 requests a second costs no memory.
 */

import type { Random } from './random.ts';

export interface ScheduleOptions {
  /** Requests a second, once the ramp is over. */
  readonly rate: number;
  readonly durationMs: number;
  /** For this long the rate grows evenly from 0. */
  readonly rampMs: number;
  /** `constant`: evenly spaced. `poisson`: as many callers who know nothing of each other would come. */
  readonly arrivals: 'constant' | 'poisson';
  /** Used by `poisson` alone. */
  readonly random: Random;
}

/** The times at which requests are due. */
export function* dueTimes({ rate, durationMs, rampMs, arrivals, random }: ScheduleOptions): Generator<number, void> {
  const perMs = rate / 1000;
  // Requests that the ramp brings: half of what the full rate would.
  const inRamp = (perMs * rampMs) / 2;
  /** When `expected` requests should have come: the inverse of the rate's integral. */
  const timeOf = (expected: number) =>
    expected < inRamp ? Math.sqrt((2 * rampMs * expected) / perMs) : rampMs / 2 + expected / perMs;
  // A constant rate begins with a request at once; the first of a ramp comes when one is due.
  let expected = rampMs > 0 ? 1 : 0;
  if (arrivals === 'poisson') expected = step(random);
  for (let dueMs = timeOf(expected); dueMs < durationMs; dueMs = timeOf(expected)) {
    yield dueMs;
    expected += arrivals === 'poisson' ? step(random) : 1;
  }
}

/** A step of a Poisson process of rate one. */
function step(random: Random): number {
  return -Math.log(1 - random.next());
}
