import { describe, expect, test } from 'vitest';
import { addTo } from '../../../src/analytics/histogram.ts';
import { accuracy, type Sums, seriesOf } from '../../../src/analytics/series.ts';

const DAYS = ['2026-11-20', '2026-11-21'] as const;
const NOTHING: Sums = { outcomes: [], durations: [], amounts: [] };

const shown = (sums: Partial<Sums>) =>
  Object.fromEntries(seriesOf(DAYS, { ...NOTHING, ...sums }).map(({ name, values }) => [name, values]));

function durations(...all: number[]): number[] {
  const counts: number[] = [];
  for (const ms of all) addTo(counts, ms);
  return counts;
}

describe('series', () => {
  test('of nothing are none', () => {
    expect(seriesOf(DAYS, NOTHING)).toEqual([]);
  });

  test('of jobs are by outcome, in all and for each kind; a day without any is 0', () => {
    const row = { group: DAYS[1], outcome: 'completed' };
    const outcomes = [
      { ...row, job: 'a.run', count: 2 },
      { ...row, job: 'b.run', count: 3 },
    ];
    expect(shown({ outcomes })).toEqual({
      'jobs.completed': [0, 5],
      'jobs.completed:a.run': [0, 2],
      'jobs.completed:b.run': [0, 3],
    });
  });

  test('of durations come from the sum of the counts, not from a mean of percentiles', () => {
    const quick = { group: DAYS[0], job: 'a.run', wait: durations(...Array(99).fill(10)), run: durations(1) };
    const slow = { group: DAYS[0], job: 'b.run', wait: durations(100_000), run: durations(1) };
    const series = shown({ durations: [quick, slow] });
    expect(series['wait.p95']?.[0]).toBeLessThan(12);
    expect(series['wait.p95:b.run']?.[0]).toBeGreaterThan(90_000);
    expect(series['wait.p95']?.[1]).toBeNull();
  });

  test('of ratios are null where there is nothing to compare', () => {
    const amounts = [
      { group: DAYS[0], kind: 'cache.hits', amount: 3 },
      { group: DAYS[0], kind: 'cache.misses', amount: 1 },
      { group: DAYS[0], kind: 'feedback.ratings', amount: 9 },
      { group: DAYS[0], kind: 'feedback.given', amount: 2 },
      { group: DAYS[0], kind: 'adaptation.effort', amount: 1 },
      { group: DAYS[0], kind: 'adaptation.baseline', amount: 4 },
    ];
    expect(shown({ amounts })).toEqual({
      'cache.hits': [3, 0],
      'cache.misses': [1, 0],
      'cache.hit-ratio': [0.75, null],
      'feedback.given': [2, 0],
      'feedback.rating': [4.5, null],
      'adaptation.accuracy': [0.75, null],
    });
  });

  test('of a kind that was counted in two places are added up', () => {
    const row = { group: DAYS[0], kind: 'usage.pages', amount: 2 };
    expect(shown({ amounts: [row, row] })).toEqual({ 'usage.pages': [4, 0] });
  });
});

test('adaptation is below zero for writers who change more than at first', () => {
  expect(accuracy(6, 4)).toBe(-0.5);
  expect(accuracy(0, 4)).toBe(1);
  expect(accuracy(1, 0)).toBeNull();
});
