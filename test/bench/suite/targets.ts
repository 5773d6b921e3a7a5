/** What the service is to reach, as ratios of one run, and what a run reached. */

import type { CaseName } from './options.ts';
import { type Figure, ratioOf, type Section, spreadOf, valuesOf } from './samples.ts';

/** Names of rows that targets look for. */
export const USUAL = 'Express + zod + queue.add';
export const RAW_BULK = 'raw addBulk(100)';
export const RAW_WORKER = 'raw Worker';
export const RAW = 'raw BullMQ';
export const BEE_BULK = 'bee-queue, bulk';

interface Target {
  /** The case that measures it. */
  readonly of: CaseName;
  readonly what: string;
  readonly must: number;
  readonly aim: number;
  /** Is a larger figure the better one? */
  readonly more: boolean;
  readonly unit: 'x' | 'B' | 'ms' | 'µs';
  /** What the run has measured; undefined: its case did not run, or failed. */
  measured(sections: Sections): number | undefined;
}

type Sections = ReadonlyMap<string, Section>;

const ratio =
  (id: string, name: string, against: string, figure: Figure = 'rate') =>
  (sections: Sections) =>
    ratioOf(sections.get(id), name, against, figure)?.median;

const value = (id: string, name: string, figure: Figure) => (sections: Sections) => {
  const row = sections.get(id)?.rows.find((each) => each.name === name);
  const values = row === undefined ? [] : valuesOf(row, figure);
  return values.length === 0 ? undefined : spreadOf(values).median;
};

/** The smallest of several; undefined when one of them was not measured. */
const worst = (measures: readonly Target['measured'][]) => (sections: Sections) => {
  const all = measures.map((measured) => measured(sections));
  return all.some((each) => each === undefined) ? undefined : Math.min(...all.flatMap((each) => each ?? []));
};

const more = (of: CaseName, what: string, must: number, aim: number, measured: Target['measured']): Target => ({
  ...{ of, what, must, aim, measured },
  more: true,
  unit: 'x',
});
const less = (
  of: CaseName,
  what: string,
  must: number,
  aim: number,
  unit: Target['unit'],
  measured: Target['measured'],
): Target => ({ ...{ of, what, must, aim, unit, measured }, more: false });

const grown = (line: string, what: string) => ratio(`backlog-${line}-${what}`, 'ours at 1,000,000', 'ours at 1,000');

const TARGETS: readonly Target[] = [
  more('http', 'single HTTP enqueue, 64 connections, vs the usual', 3, 5, ratio('http-64', 'ours', USUAL)),
  less('http', '… its p99', 0.25, 0.1, 'x', ratio('http-64', 'ours', USUAL, 'p99Ms')),
  more('http', '… in two web processes', 4, 6, ratio('http-64', 'ours, two web processes', USUAL)),
  more('bulk', 'bulk of 100 over HTTP vs raw addBulk(100)', 0.9, 2, ratio('bulk', 'ours, JSON array of 100', RAW_BULK)),
  less('stream', 'memory of a stream of 1,000,000 lines, peak vs 20 %', 1.25, 1.1, 'x', (sections) => {
    const peak = value('stream', 'ours', 'peakMb')(sections);
    const early = value('stream', 'ours', 'earlyMb')(sections);
    return peak === undefined || early === undefined ? undefined : peak / early;
  }),
  more('drain', 'drain of no-op jobs vs the raw Worker', 0.9, 1, ratio('drain', 'ours', RAW_WORKER)),
  less(
    'machinery',
    'a job with lock, effect, invalidation and event: CPU above a bare one',
    2000,
    1000,
    'µs',
    (sections) => {
      const all = value('machinery', 'everything', 'nodeUs')(sections);
      const bare = value('machinery', 'no-op', 'nodeUs')(sections);
      return all === undefined || bare === undefined ? undefined : all - bare;
    },
  ),
  less(
    'latency',
    'HTTP enqueue to handler start at 100 jobs/s, p50 vs raw',
    1.5,
    1.15,
    'x',
    ratio('latency-100', 'ours', RAW, 'p50Ms'),
  ),
  more(
    'end-to-end',
    'end to end over HTTP bulk vs raw bulk',
    1.1,
    1.3,
    ratio('end-to-end', 'ours, HTTP bulk', RAW_BULK),
  ),
  more(
    'end-to-end',
    'end to end over HTTP bulk vs bee-queue',
    0.5,
    0.6,
    ratio('end-to-end', 'ours, HTTP bulk', BEE_BULK),
  ),
  less('memory', 'Redis bytes per waiting job, listpack 1024', 800, 420, 'B', value('memory-1024', 'ours', 'bytes')),
  more('backlog', 'at 1 M waiting vs 1 k, plain: single enqueue', 0.9, 0.95, grown('plain', 'single')),
  more('backlog', '… bulk', 0.9, 0.95, grown('plain', 'bulk')),
  more('backlog', '… drain', 0.9, 0.95, grown('plain', 'drain')),
  more(
    'backlog',
    'at 1 M waiting vs 1 k, prioritised: the worst of the three',
    0.8,
    0.85,
    worst(['single', 'bulk', 'drain'].map((what) => grown('prioritised', what))),
  ),
  more(
    'aof',
    'AOF everysec vs none: single HTTP enqueue',
    0.85,
    0.9,
    ratio('aof-single', 'ours, everysec', 'ours, none'),
  ),
  more('aof', '… bulk', 0.85, 0.9, ratio('aof-bulk', 'ours, everysec', 'ours, none')),
  more('aof', '… drain', 0.85, 0.9, ratio('aof-drain', 'ours, everysec', 'ours, none')),
  less('ready', 'ready from dist: web', 1000, 1000, 'ms', value('ready', 'web', 'tookMs')),
  less('ready', 'ready from dist: worker', 1000, 1000, 'ms', value('ready', 'worker', 'tookMs')),
  less('ready', 'npm start, built', 3000, 3000, 'ms', value('ready', 'npm start, again', 'tookMs')),
];

export interface Verdict {
  readonly what: string;
  readonly must: string;
  readonly aim: string;
  readonly measured: string;
  readonly says: 'aim reached' | 'must reached' | 'MISSED' | 'not measured';
}

/** Hold a run against the targets of the cases that ran. */
export function judge(sections: readonly Section[], cases: readonly CaseName[]): Verdict[] {
  const byId = new Map(sections.map((section) => [section.id, section]));
  return TARGETS.filter(({ of }) => cases.includes(of)).map((target) => {
    const { what, must, aim, unit } = target;
    const measured = target.measured(byId);
    const show = (number: number) => (unit === 'x' ? `${number.toFixed(2)}x` : `${number.toFixed(0)} ${unit}`);
    const sign = target.more ? '≥' : '≤';
    const given = { what, must: `${sign} ${show(must)}`, aim: `${sign} ${show(aim)}` };
    if (measured === undefined || Number.isNaN(measured)) return { ...given, measured: '-', says: 'not measured' };
    const reaches = (goal: number) => (target.more ? measured >= goal : measured <= goal);
    const says = reaches(aim) ? 'aim reached' : reaches(must) ? 'must reached' : 'MISSED';
    return { ...given, measured: show(measured), says };
  });
}
