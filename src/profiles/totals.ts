/**
 * Weighted sums that do not depend on the order of what is added.
 *
 * Promises: a total carries the rounding error of its sum beside it (Neumaier 1974), so that any order of any number
 * of additions gives the same total to about 1e-30 relative, also where large terms cancel; weights of any date are
 * finite and above 0. Totals are plain JSON.
 */

/** A sum, and what its rounding lost. */
export type Total = readonly [sum: number, lost: number];

/** The empty total. */
export const ZERO: Total = [0, 0];

/** A total with one more term. */
export function plus([sum, lost]: Total, term: number): Total {
  const [high, low] = exactSum(sum, term);
  return exactSum(high, low + lost);
}

/** Two numbers as their rounded sum and what the rounding lost (Knuth 1969, TwoSum). */
function exactSum(a: number, b: number): Total {
  const sum = a + b;
  const part = sum - a;
  return [sum, a - (sum - part) + (b - part)];
}

/** The value of a total. */
export function amountOf([sum, lost]: Total): number {
  return sum + lost;
}

/** Weighted first and second moments of a quantity about a fixed centre. */
export interface Moments {
  readonly first: Total;
  readonly second: Total;
}

/** No observation yet. */
export const NO_MOMENTS: Moments = { first: ZERO, second: ZERO };

/** Moments with one more observation, as its distance from the centre. */
export function observe({ first, second }: Moments, distance: number, weight: number): Moments {
  return { first: plus(first, weight * distance), second: plus(second, weight * distance * distance) };
}

/** Mean distance from the centre, and standard deviation, of what was observed with this total weight. */
export function meanAndSpread({ first, second }: Moments, weight: number): { mean: number; spread: number } {
  if (weight <= 0) return { mean: 0, spread: 0 };
  const mean = amountOf(first) / weight;
  const square = amountOf(second) / weight;
  const variance = square - mean * mean;
  // What rounding alone can leave of equal observations.
  return { mean, spread: variance > 1e-12 * square ? Math.sqrt(variance) : 0 };
}

/** Days after which an edit counts half. Long enough for a style, short enough to follow one that changes. */
export const HALF_LIFE_DAYS = 180;

/** 2026-01-01T00:00:00Z, where a weight is 1. It cancels when a mean is taken; it only keeps exponents small. */
const EPOCH_MS = 1_767_225_600_000;

const DAY_MS = 86_400_000;

/** Half-lives from the epoch beyond which dates weigh the same: 246 years, where squares of weights stay finite. */
const MOST_HALF_LIVES = 500;

/** The weight of a moment: 2 to the number of half-lives since the epoch. */
export function weightAt(moment: Date): number {
  const halfLives = (moment.getTime() - EPOCH_MS) / DAY_MS / HALF_LIFE_DAYS;
  if (Number.isNaN(halfLives)) throw new RangeError('An edit or a rating needs a valid date.');
  return 2 ** Math.max(-MOST_HALF_LIVES, Math.min(MOST_HALF_LIVES, halfLives));
}
