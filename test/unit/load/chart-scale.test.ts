import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  countScale,
  latencyScale,
  linearScale,
  logScale,
  type Scale,
  showClock,
  timeScale,
} from '../../load/chart-scale.ts';
import { showCount, showMs } from '../../load/quantity.ts';

const positive = fc.double({ min: 0.005, max: 1e6, noNaN: true });

/** What must hold of every axis. */
function expectReadable(scale: Scale, values: readonly number[]): void {
  const { ticks } = scale;
  expect(ticks.length).toBeGreaterThanOrEqual(2);
  expect(ticks.length).toBeLessThanOrEqual(13);
  expect(new Set(ticks.map(({ label }) => label)).size).toBe(ticks.length);
  for (const [index, { value }] of ticks.entries()) {
    if (index > 0) expect(value).toBeGreaterThan(ticks[index - 1]?.value ?? 0);
    expect(scale.at(value)).toBeGreaterThanOrEqual(0);
    expect(scale.at(value)).toBeLessThanOrEqual(1);
  }
  for (const value of values)
    expect(scale.valueAt(scale.at(value))).toBeCloseTo(value, 3 - Math.ceil(Math.log10(value + 1)));
}

describe('an axis', () => {
  it('has few ticks in rising order, each with a label of its own, and holds every value', () => {
    fc.assert(
      fc.property(positive, positive, (a, b) => {
        expectReadable(latencyScale([a, b], showMs), [a, b]);
      }),
    );
    fc.assert(fc.property(fc.nat(10_000_000), (most) => expectReadable(countScale(most, showCount), [most])));
    fc.assert(fc.property(fc.integer({ min: 1, max: 5000 }), (span) => expectReadable(timeScale(span), [span])));
  });

  it('begins at zero and ends at a round number when steps are equal', () => {
    expect(linearScale(87, showCount).ticks.map(({ value }) => value)).toEqual([0, 50, 100]);
    expect(countScale(0, showCount).ticks.map(({ label }) => label)).toEqual(['0', '1']);
    expect(countScale(3, showCount).ticks.map(({ label }) => label)).toEqual(['0', '1', '2', '3']);
  });

  it('has equal ratios when the values differ widely', () => {
    expect(logScale(2, 900, showMs).ticks.map(({ label }) => label)).toEqual(['10 ms', '100 ms', '1 s']);
    expect(latencyScale([1, 10], showMs).at(5)).toBeCloseTo(0.5);
    expect(latencyScale([1, 100], showMs).at(10)).toBeCloseTo(0.5);
  });

  it('counts time as people do', () => {
    expect(timeScale(2).ticks.map(({ label }) => label)).toEqual(['0 s', '1 s', '2 s']);
    expect(timeScale(300).ticks.map(({ label }) => label)).toEqual(['0:00', '1:00', '2:00', '3:00', '4:00', '5:00']);
    expect(showClock(3661, 4000)).toBe('1:01:01');
  });
});
