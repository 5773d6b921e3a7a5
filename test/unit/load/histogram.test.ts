import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Histogram } from '../../load/histogram.ts';

/** Milliseconds of a whole number of microseconds, from one to half an hour, small ones as often as large ones. */
const time = fc
  .tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 1_000_000 }))
  .map(
    ([exponent, fraction]) => Math.min(1_800_000_000, Math.round(2 ** exponent * (1 + fraction / 1_000_000))) / 1000,
  );
const times = fc.array(time, { minLength: 1, maxLength: 400 });

function recorded(all: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const ms of all) histogram.record(ms);
  return histogram;
}

/** By nearest rank, of the times themselves. */
function exact(all: readonly number[], share: number): number {
  const sorted = [...all].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? Number.NaN;
}

describe('the histogram', () => {
  it('tells every percentile within 1 % of the exact one', () => {
    fc.assert(
      fc.property(times, fc.double({ min: 0, max: 1, noNaN: true }), (all, share) => {
        const histogram = recorded(all);
        for (const each of [share, 0.5, 0.9, 0.99, 0.999, 1]) {
          const wanted = exact(all, each);
          const found = histogram.percentile(each) ?? Number.NaN;
          expect(Math.abs(found - wanted)).toBeLessThanOrEqual(Math.max(0.0005, wanted * 0.01));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('tells count, smallest, largest and mean exactly', () => {
    fc.assert(
      fc.property(times, (all) => {
        const found = recorded(all).percentiles;
        expect(found?.count).toBe(all.length);
        expect(found?.min).toBe(Math.min(...all));
        expect(found?.max).toBe(Math.max(...all));
        expect(found?.mean).toBeCloseTo(all.reduce((sum, ms) => sum + ms, 0) / all.length, 5);
      }),
    );
  });

  it('has each time in the one bar whose edges hold it', () => {
    fc.assert(
      fc.property(times, (all) => {
        const { bars } = recorded(all);
        for (const [index, { fromMs, toMs, count }] of bars.entries()) {
          expect(count).toBe(all.filter((ms) => ms >= fromMs && ms < toMs).length);
          expect(fromMs).toBeGreaterThanOrEqual(bars[index - 1]?.toMs ?? 0);
        }
        expect(bars.reduce((sum, { count }) => sum + count, 0)).toBe(all.length);
      }),
    );
  });

  it('says nothing when nothing was recorded', () => {
    const histogram = new Histogram();
    expect(histogram.percentiles).toBeUndefined();
    expect(histogram.percentile(0.5)).toBeUndefined();
    expect(histogram.bars).toEqual([]);
  });

  it('forgets everything when it is cleared', () => {
    const histogram = recorded([1, 2000]);
    histogram.clear();
    expect(histogram.count).toBe(0);
    histogram.record(5);
    expect(histogram.percentiles).toMatchObject({ count: 1, min: 5, p50: 5, max: 5 });
  });

  it('counts what is below zero as zero, and what is beyond 71 minutes as 71 minutes', () => {
    expect(recorded([-3]).percentiles).toMatchObject({ min: 0, max: 0 });
    expect(recorded([1e12]).percentiles?.max).toBeCloseTo(4_294_967.295, 3);
  });

  it('refuses what is not a number', () => {
    expect(() => new Histogram().record(Number.NaN)).toThrow('must be a number');
  });
});
