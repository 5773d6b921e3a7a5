import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addTo,
  BUCKETS,
  bucketOf,
  ERROR_SHARE,
  LONGEST_MS,
  percentile,
  sumOf,
} from '../../../src/analytics/histogram.ts';

/** Short and long ones, whole and broken. */
const duration = fc.oneof(
  fc.integer({ min: 0, max: 50 }),
  fc.integer({ min: 0, max: LONGEST_MS }),
  fc.double({ min: 0, max: 100_000, noNaN: true }),
);

function histogramOf(durations: readonly number[]): number[] {
  const counts: number[] = [];
  for (const ms of durations) addTo(counts, ms);
  return counts;
}

/** The nearest-rank percentile of the durations themselves. */
function exactly(durations: readonly number[], share: number): number {
  const sorted = [...durations].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? Number.NaN;
}

describe('a percentile', () => {
  test('is off by at most 10 %, or 1 ms, whatever was counted', () => {
    fc.assert(
      fc.property(
        fc.array(duration, { minLength: 1, maxLength: 200 }),
        fc.constantFrom(0, 0.01, 0.5, 0.9, 0.95, 0.99, 1),
        (all, share) => {
          const exact = exactly(all, share);
          const told = percentile(histogramOf(all), share) ?? Number.NaN;
          expect(Math.abs(told - exact)).toBeLessThanOrEqual(Math.max(1, exact * ERROR_SHARE) * (1 + 1e-9));
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('of sums is that of everything counted, in whatever parts', () => {
    fc.assert(
      fc.property(fc.array(fc.array(duration, { maxLength: 30 }), { maxLength: 6 }), (parts) => {
        expect(sumOf(parts.map(histogramOf))).toEqual(histogramOf(parts.flat()));
      }),
    );
  });

  test('of nothing is null', () => {
    expect(percentile([], 0.5)).toBeNull();
    expect(percentile([0, 0, 0], 0.5)).toBeNull();
  });

  test('of what is longer than seven days is seven days, more or less', () => {
    const told = percentile(histogramOf([LONGEST_MS * 9]), 0.5) ?? 0;
    expect(told / LONGEST_MS).toBeGreaterThan(0.9);
    expect(told / LONGEST_MS).toBeLessThan(1.2);
  });
});

describe('a bucket', () => {
  test.each([
    [Number.NaN, 0],
    [-5, 0],
    [0, 0],
    [0.999, 0],
    [1, 1],
    [1.0999, 1],
    [1.11, 2],
    [Number.POSITIVE_INFINITY, BUCKETS - 1],
  ])('of %d ms is number %d', (ms, bucket) => {
    expect(bucketOf(ms)).toBe(bucket);
  });

  test('has the number it was stored with: the bounds never change', () => {
    expect([10, 100, 1000, 60_000, 86_400_000].map(bucketOf)).toEqual([25, 49, 73, 116, 192]);
    expect(BUCKETS).toBe(214);
  });
});
