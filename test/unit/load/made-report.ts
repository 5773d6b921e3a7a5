/** Reports of loads that never were, for the tests of the page: made by the same tally as the real ones. */

import { Histogram } from '../../load/histogram.ts';
import { type LoadOptions, readOptions, showCommand } from '../../load/options.ts';
import { Random } from '../../load/random.ts';
import { type Findings, makeReport, type Report } from '../../load/report.ts';
import { type Settled, Tally } from '../../load/tally.ts';

export interface Story {
  readonly args?: readonly string[];
  /** Requests a second of each second. */
  readonly rates: readonly number[];
  /** What becomes of one request; accepted after 3 ms unless told. */
  readonly fate?: (second: number, random: Random) => Partial<Settled> & { readonly tookMs?: number };
  readonly depth?: (second: number) => number;
  /** Seconds that are looked at after the load. */
  readonly restSeconds?: number;
  readonly findings?: Partial<Findings>;
}

/** The report of a story. */
export function madeReport({ args = [], rates, fate = () => ({}), depth, restSeconds = 0, findings }: Story): Report {
  const line = ['--duration', `${Math.max(1, rates.length)}s`, '--seed', '7', ...args];
  const options = optionsOf(line);
  const random = new Random(7, 'story');
  const tally = new Tally();
  for (const settled of fates(rates, fate, random)) {
    if (settled.sentMs !== undefined) tally.send(settled.dueMs, settled.sentMs, settled.waited);
    tally.settle(settled);
  }
  const endMs = Math.max(rates.length * 1000, ...tally.seconds.map(({ second }) => second * 1000)) + restSeconds * 1000;
  for (let second = 0; depth !== undefined && second < endMs / 1000; second++) {
    tally.look(second * 1000, { waiting: depth(second), active: 5, delayed: 0 });
  }
  tally.end(endMs);
  return makeReport({
    options,
    startedAt: new Date('2026-11-21T08:00:00Z'),
    loadMs: rates.length * 1000,
    totalMs: endMs,
    endedEarly: false,
    command: showCommand(line),
    replay: showCommand(line),
    versions: { service: '0.1.0', node: '20.19.0', millrace: '0.1.0' },
    machine: { processor: 'Example 1', cores: 2, memoryBytes: 8 * 2 ** 30, system: 'linux x64', loadAverage: 0.5 },
    tally,
    mix: [
      { job: 'learning.process-edit', weight: 3, varied: ['userId', 'contentId'] },
      { job: 'cleanup.wake-overdue', weight: 1, varied: [] },
    ],
    followed: null,
    queues: depth === undefined ? {} : { learning: { before: 0, peak: 900, after: 3, workers: 1 } },
    unreadable: 0,
    drain: null,
    effort: { cpuShare: 0.12, eventLoopP99Ms: 1.4 },
    ...findings,
  });
}

/** The usual one: a ramp, a slow moment, a few refusals, followed jobs. */
export function usualReport(): Report {
  const latency = new Histogram();
  for (let index = 1; index <= 200; index++) latency.record(index * 4);
  const outcomes = { completed: 200, dead: 1, cancelled: 0, unfinished: 2, noRoom: 0 };
  return madeReport({
    args: ['--ramp', '10s', '--rate', '200', '--max-p99', '100ms', '--max-error-rate', '0.1%', '--follow', '1%'],
    rates: Array.from({ length: 60 }, (_, second) => Math.min(200, 20 * second + 10)),
    fate: (second, random) => {
      const slow = second >= 30 && second < 34 ? 400 : 0;
      const tookMs = 2 + random.next() ** 4 * 20 + slow * random.next();
      if (second === 32 && random.next() < 0.3) {
        return {
          tookMs,
          status: 503,
          code: 'store-unavailable',
          jobs: 0,
          detail: 'The queue Redis cannot be reached.',
        };
      }
      if (second === 45 && random.next() < 0.02) return { tookMs: 3000, status: 0, code: 'timed-out', jobs: 0 };
      return { tookMs, job: random.next() < 0.75 ? 'learning.process-edit' : 'cleanup.wake-overdue' };
    },
    depth: (second) => Math.max(0, Math.round(900 * Math.sin(second / 22))),
    restSeconds: 8,
    findings: { followed: { share: 0.01, outcomes, latency } },
  });
}

function optionsOf(line: readonly string[]): LoadOptions {
  const reading = readOptions(line, 'http://127.0.0.1:3001');
  if (reading.kind === 'options') return reading.options;
  throw new Error(JSON.stringify(reading));
}

/** In the order in which they end. */
function fates(rates: readonly number[], fate: NonNullable<Story['fate']>, random: Random): Settled[] {
  const all = rates.flatMap((rate, second) =>
    Array.from({ length: rate }, (_, index): Settled => {
      const { tookMs = 3, ...rest } = fate(second, random);
      const dueMs = second * 1000 + (index * 1000) / rate;
      const usual = { job: 'learning.process-edit', waited: false, status: 202, code: undefined, jobs: 1 };
      return { ...usual, dueMs, sentMs: dueMs + 0.1, doneMs: dueMs + tookMs, ...rest };
    }),
  );
  return all.sort((a, b) => a.doneMs - b.doneMs);
}
