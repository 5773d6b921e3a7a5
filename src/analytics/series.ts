/**
 * From sums by day to the series that are shown: counts, percentiles and ratios.
 *
 * Promises: pure; every series has one value for each group of days; a count that nobody counted is 0, a ratio or a
 * percentile of nothing is null. A series of one kind of job is named after it: `jobs.completed:learning.process-edit`.
 */

import type { Day } from './day.ts';
import { type Histogram, percentile, sumOf } from './histogram.ts';

export interface Series {
  readonly name: string;
  readonly unit: 'count' | 'bytes' | 'seconds' | 'ms' | 'share' | 'rating';
  readonly values: readonly (number | null)[];
}

/** Attempts at one kind of job that ended in one way, in one group of days. */
export interface OutcomeRow {
  readonly group: Day;
  readonly job: string;
  readonly outcome: string;
  readonly count: number;
}

/** How long attempts at one kind of job waited and ran, in one group of days. */
export interface DurationRow {
  readonly group: Day;
  readonly job: string;
  readonly wait: Histogram;
  readonly run: Histogram;
}

/** How much of a kind there was in one group of days. */
export interface AmountRow {
  readonly group: Day;
  readonly kind: string;
  readonly amount: number;
}

export interface Sums {
  readonly outcomes: readonly OutcomeRow[];
  readonly durations: readonly DurationRow[];
  readonly amounts: readonly AmountRow[];
}

const PERCENTILES = [50, 95] as const;

/** Sums that are shown as a ratio only. */
const PARTS_ONLY = new Set(['feedback.ratings', 'adaptation.effort', 'adaptation.baseline']);

/** What is made of sums: a value, or null where there is nothing to make it of. */
interface Ratio {
  readonly name: string;
  readonly unit: Series['unit'];
  readonly of: readonly string[];
  readonly value: (...amounts: readonly number[]) => number | null;
}

const RATIOS: readonly Ratio[] = [
  {
    name: 'cache.hit-ratio',
    unit: 'share',
    of: ['cache.hits', 'cache.misses'],
    value: (hit = 0, miss = 0) => share(hit, hit + miss),
  },
  {
    name: 'feedback.rating',
    unit: 'rating',
    of: ['feedback.ratings', 'feedback.given'],
    value: (sum = 0, given = 0) => share(sum, given),
  },
  { name: 'adaptation.accuracy', unit: 'share', of: ['adaptation.effort', 'adaptation.baseline'], value: accuracy },
];

/** How much less writers changed than at first, 0–1; below zero: more. Null when nothing could be compared. */
export function accuracy(effort = 0, baseline = 0): number | null {
  return baseline > 0 ? 1 - effort / baseline : null;
}

/** A part of a whole; null of nothing. */
export function share(part: number, whole: number): number | null {
  return whole > 0 ? part / whole : null;
}

/** Every series of these sums, by name; one value for each of the groups. */
export function seriesOf(groups: readonly Day[], { outcomes, durations, amounts }: Sums): Series[] {
  const all = [
    ...outcomeSeries(groups, outcomes),
    ...durationSeries(groups, durations),
    ...amountSeries(groups, amounts),
  ];
  return all.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function outcomeSeries(groups: readonly Day[], rows: readonly OutcomeRow[]): Series[] {
  const counts = new Map<string, Map<Day, number>>();
  for (const { group, job, outcome, count } of rows) {
    for (const name of [`jobs.${outcome}`, `jobs.${outcome}:${job}`]) add(counts, name, group, count);
  }
  return counted(groups, counts);
}

function amountSeries(groups: readonly Day[], rows: readonly AmountRow[]): Series[] {
  const sums = new Map<string, Map<Day, number>>();
  for (const { group, kind, amount } of rows) add(sums, kind, group, amount);
  const ratios = RATIOS.filter(({ of }) => of.some((kind) => sums.has(kind))).map(({ name, unit, of, value }) => ({
    name,
    unit,
    values: groups.map((group) => value(...of.map((kind) => sums.get(kind)?.get(group) ?? 0))),
  }));
  return [...counted(groups, sums).filter(({ name }) => !PARTS_ONLY.has(name)), ...ratios];
}

function durationSeries(groups: readonly Day[], rows: readonly DurationRow[]): Series[] {
  if (rows.length === 0) return [];
  const byJob = new Map<string, DurationRow[]>([['', [...rows]]]);
  for (const row of rows) byJob.set(row.job, [...(byJob.get(row.job) ?? []), row]);
  return [...byJob].flatMap(([job, ofJob]) => {
    const byGroup = new Map(groups.map((group) => [group, ofJob.filter((row) => row.group === group)]));
    return (['wait', 'run'] as const).flatMap((what) => {
      const sums = groups.map((group) => sumOf((byGroup.get(group) ?? []).map((row) => row[what])));
      return PERCENTILES.map(
        (percent): Series => ({
          name: `${what}.p${percent}${job === '' ? '' : `:${job}`}`,
          unit: 'ms',
          values: sums.map((sum) => rounded(percentile(sum, percent / 100))),
        }),
      );
    });
  });
}

function add(sums: Map<string, Map<Day, number>>, name: string, group: Day, amount: number): void {
  const byGroup = sums.get(name) ?? new Map<Day, number>();
  sums.set(name, byGroup.set(group, (byGroup.get(group) ?? 0) + amount));
}

function counted(groups: readonly Day[], sums: ReadonlyMap<string, ReadonlyMap<Day, number>>): Series[] {
  return [...sums].map(([name, byGroup]) => ({
    name,
    unit: unitOf(name),
    values: groups.map((group) => byGroup.get(group) ?? 0),
  }));
}

/** What is counted says its unit at the end of its name: `media.bytes`, `audio.seconds`. */
function unitOf(name: string): Series['unit'] {
  if (name.endsWith('.bytes')) return 'bytes';
  return name.endsWith('.seconds') ? 'seconds' : 'count';
}

function rounded(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms * 10) / 10;
}
