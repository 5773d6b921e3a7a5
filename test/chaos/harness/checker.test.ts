/** The checker must be able to fail: each test feeds it books that do not fit. */

import { describe, expect, test } from 'vitest';
import { check, explain } from './checker.ts';
import type { Evidence, JobPlace } from './evidence.ts';

interface Books {
  readonly log: readonly string[];
  readonly effects?: readonly (readonly [number, string])[];
  readonly runs?: readonly (readonly [number, string, number])[];
  readonly jobs?: readonly (readonly [number, string, JobPlace, string?])[];
  readonly tombstones?: readonly string[];
  readonly journal?: Partial<Evidence['journal']>;
}

async function* each<T>(list: readonly T[]): AsyncGenerator<T> {
  yield* list;
}

const evidenceOf = ({ log, effects = [], runs = [], jobs = [], tombstones = [], journal = {} }: Books): Evidence => ({
  lines: () => each(log),
  effects: () => each(effects.map(([n, id]) => ({ n, id }))),
  runs: () => each(runs.map(([n, id, attempt]) => ({ n, id, attempt }))),
  jobs: () => each(jobs.map(([n, id, state, code]) => ({ n, id, state, code }))),
  tombstones: () => each(tombstones),
  journal: { pending: 0, open: 0, setAside: 0, ...journal },
});

const BASE = 100;
const rulesOf = async (books: Books) => {
  const { violations } = await check(evidenceOf(books), BASE);
  return violations.map(({ rule, n }) => (n === undefined ? rule : `${rule} ${n}`));
};

const sent = (n: number, kind = 'apply', key = '-') => `> 1.0 ${n} ${kind} single web-0 ${key}`;
const accepted = (n: number, id = `j${n}`) => `< 2.0 ${n} 202 ${id} 1.0`;
const answered = (n: number, status: number) => `< 2.0 ${n} ${status} - 1.0`;

describe('the checker', () => {
  test('passes books that fit, and counts them', async () => {
    const { accounts, violations } = await check(
      evidenceOf({
        log: [
          ...[sent(100), accepted(100), sent(101, 'wrong'), answered(101, 422), sent(102), answered(102, 503)],
          ...[sent(103), answered(103, 0), sent(104, 'dying'), accepted(104), sent(105, 'bare'), accepted(105)],
          ...[sent(106, 'cancelled'), accepted(106), 'x 3.0 106', 'y 4.0 106 200', '! 5.0 a note', '> 6.0 10'],
        ],
        effects: [
          [100, 'j100'],
          [103, 'j103'],
        ],
        runs: [
          [100, 'j100', 1],
          [104, 'j104', 2],
          [105, 'j105', 1],
        ],
        jobs: [
          [100, 'j100', 'completed'],
          [104, 'j104', 'failed', 'internal'],
        ],
        tombstones: ['j106'],
      }),
      BASE,
    );
    expect(violations).toEqual([]);
    expect(accounts).toMatchObject({ requests: 7, accepted: 5, refused: 1, unknown: 2, missing: 0 });
    expect(accounts).toMatchObject({ completed: 3, dead: 1, cancelled: 1 });
  });

  test('finds an accepted job that is nowhere', async () => {
    expect(await rulesOf({ log: [sent(100), accepted(100)] })).toEqual(['lost 100', 'unaccounted']);
  });

  test('finds a job that is completed without its effect', async () => {
    const jobs = [[100, 'j100', 'completed']] as const;
    expect(await rulesOf({ log: [sent(100), accepted(100)], jobs })).toEqual(['lost 100']);
  });

  test('finds a completed bare job that never ran', async () => {
    const jobs = [[100, 'j100', 'completed']] as const;
    expect(await rulesOf({ log: [sent(100, 'bare'), accepted(100)], jobs })).toEqual(['lost 100']);
  });

  test('finds an effect that was applied twice, by one job or by two', async () => {
    const log = [sent(100), accepted(100), sent(101, 'apply', 'k'), accepted(101)];
    const effects = [
      [100, 'j100'],
      [100, 'j100'],
      [101, 'j101'],
      [101, 'other'],
    ] as const;
    expect(await rulesOf({ log, effects })).toEqual(['two-ids 101', 'duplicate 100', 'duplicate 101', 'two-ids 101']);
  });

  test('finds an effect applied twice for a request that was never answered', async () => {
    const effects = [
      [100, 'j100'],
      [100, 'j100'],
    ] as const;
    expect(await rulesOf({ log: [sent(100)], effects })).toEqual(['duplicate 100']);
  });

  test('finds effects of what was refused, never sent, or applies nothing', async () => {
    const effects = [
      [100, 'j100'],
      [101, 'j101'],
      [102, 'j102'],
    ] as const;
    const log = [sent(100, 'wrong'), answered(100, 422), sent(102, 'bare'), accepted(102)];
    const jobs = [[102, 'j102', 'completed']] as const;
    expect(await rulesOf({ log, effects, jobs })).toEqual(['ghost 101', 'ghost 100', 'ghost 102']);
  });

  test('finds a run of what was refused', async () => {
    const log = [sent(100, 'wrong'), answered(100, 422)];
    expect(await rulesOf({ log, runs: [[100, 'j100', 1]] })).toEqual(['ghost 100']);
  });

  test('finds one key with two ids, and an effect under another id than the one that was given', async () => {
    const log = [sent(100, 'apply', 'k'), accepted(100, 'a'), sent(100, 'apply', 'k'), accepted(100, 'b')];
    const more = [sent(101), accepted(101, 'c')];
    const effects = [
      [100, 'a'],
      [101, 'd'],
    ] as const;
    expect(await rulesOf({ log: [...log, ...more], effects })).toEqual(['two-ids 100', 'two-ids 101']);
  });

  test('finds a request that was accepted and refused, and what should not have been either', async () => {
    const log = [sent(100, 'apply', 'k'), accepted(100), sent(100, 'apply', 'k'), answered(100, 422)];
    const more = [sent(101), answered(101, 422), sent(102, 'wrong'), accepted(102)];
    const effects = [[100, 'j100']] as const;
    const found = await rulesOf({ log: [...log, ...more], effects });
    expect(found).toEqual(['contradiction 100', 'refused 101', 'accepted 102', 'lost 102', 'unaccounted']);
  });

  test('finds a cancelled job that took effect, and one that nobody cancelled', async () => {
    const cancel = ['x 3.0 100', 'y 4.0 100 200'];
    const log = [sent(100, 'cancelled'), accepted(100), ...cancel, sent(101), accepted(101)];
    const found = await rulesOf({ log, effects: [[100, 'j100']], tombstones: ['j101'] });
    expect(found).toEqual(['cancelled 100', 'cancelled 100', 'cancelled 101']);
  });

  test('finds a cancelled job without an effect that ran', async () => {
    const log = [sent(100, 'withdrawn'), accepted(100), 'x 3.0 100', 'y 4.0 100 200'];
    expect(await rulesOf({ log, runs: [[100, 'j100', 1]], tombstones: ['j100'] })).toEqual(['cancelled 100']);
    expect(await rulesOf({ log, tombstones: ['j100'] })).toEqual([]);
  });

  test('lets a job whose cancel was not answered end either way', async () => {
    const cancel = ['x 3.0 100', 'y 4.0 100 503'];
    const log = [sent(100, 'cancelled'), accepted(100), ...cancel];
    expect(await rulesOf({ log, effects: [[100, 'j100']] })).toEqual([]);
    expect(await rulesOf({ log, tombstones: ['j100'] })).toEqual([]);
  });

  test('finds dead letters that should live, and the other way round', async () => {
    const log = [sent(100), accepted(100), sent(101, 'dying'), accepted(101)];
    const jobs = [
      [100, 'j100', 'failed', 'internal'],
      [101, 'j101', 'completed'],
    ] as const;
    expect(await rulesOf({ log, jobs })).toEqual(['dead 100', 'dead 101']);
  });

  test('finds work that is not finished, and one number in Redis twice', async () => {
    const log = [100, 101, 102, 103].flatMap((n) => [sent(n), accepted(n)]);
    const jobs = [
      [100, 'j100', 'waiting'],
      [101, 'j101', 'active'],
      [102, 'j102', 'delayed'],
      [103, 'j103', 'completed'],
      [103, 'again', 'completed'],
    ] as const;
    const found = await rulesOf({ log, jobs, effects: [[103, 'j103']] });
    expect(found).toEqual(['two-jobs 103', 'unfinished 100', 'unfinished 101', 'unfinished 102']);
  });

  test('finds a journal that still holds something, and lets it account for what no store has', async () => {
    const log = [sent(100), accepted(100)];
    expect(await rulesOf({ log, journal: { pending: 1 } })).toEqual(['lost 100', 'unsettled']);
    expect(await rulesOf({ log, effects: [[100, 'j100']], journal: { open: 1 } })).toEqual(['unsettled']);
    expect(await rulesOf({ log, journal: { setAside: 1 } })).toEqual(['lost 100', 'unsettled']);
  });

  test('shows the lines about each number that went wrong, and counts what it leaves out', async () => {
    const numbers = Array.from({ length: 30 }, (_, i) => BASE + i);
    const log = numbers.flatMap((n) => [sent(n), accepted(n)]);
    const evidence = evidenceOf({ log });
    const told = await explain(await check(evidence, BASE), evidence.lines());
    expect(told.slice(0, 3)).toEqual([
      'lost: 100 was accepted and is nowhere',
      '    > 1.0 100 apply single web-0 -',
      '    < 2.0 100 202 j100 1.0',
    ]);
    expect(told.at(-1)).toBe('and 20 more');
  });
});
