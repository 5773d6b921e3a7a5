/** Figures of days: recorded, rolled up from the tables of others, read as series, removed. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Analytics } from '../../src/analytics/analytics.ts';
import { addBatch } from '../../src/analytics/batches.ts';
import { type Question, Reports } from '../../src/analytics/reports.ts';
import type { CountSource } from '../../src/analytics/source.ts';
import { connectDatabase, type Database } from '../../src/database/connection.ts';
import { LearningFacts } from '../../src/profiles/learning-facts.ts';
import type { Removal } from '../../src/removal.ts';
import { createWorld, type World } from '../support/world.ts';

const TODAY = '2026-11-21';
const NOW = Date.parse(`${TODAY}T15:00:00Z`);
const clock = () => NOW;
const never = new AbortController().signal;

let world: World;
let database: Database;
let analytics: Analytics;
let reports: Reports;
let batches = 0;

beforeAll(async () => {
  world = await createWorld();
  database = connectDatabase({
    url: world.config.DATABASE_URL,
    schema: world.config.DATABASE_SCHEMA,
    poolSize: 5,
    name: 'analytics',
  });
});
afterAll(async () => {
  await database.destroy();
  await world.close();
});
beforeEach(async () => {
  for (const table of ['analytics_jobs', 'analytics_usage', 'analytics_days', 'edits', 'feedback'] as const) {
    await database.deleteFrom(table).execute();
  }
  analytics = withSources(new LearningFacts({ database }));
  reports = new Reports({ database, analytics, clock });
});

function withSources(...sources: CountSource[]): Analytics {
  return new Analytics({ database, sources, keepDays: 30, clock });
}

let serial = 0;
async function edit(tenant: string, userId: string, at: string, editShare: number): Promise<void> {
  serial += 1;
  const row = { tenant, id: `e-${serial}`, user_id: userId, content_id: 'c', original_text: 'a', edited_text: 'b' };
  const deltas = JSON.stringify({ editShare });
  await database
    .insertInto('edits')
    .values({ ...row, saved_at: at, deltas, learned_by: 'test' })
    .execute();
}

async function rate(tenant: string, at: string, rating: number): Promise<void> {
  serial += 1;
  const row = { tenant, id: `f-${serial}`, user_id: 'ada', content_id: 'c', rating, comment: null, given_at: at };
  await database.insertInto('feedback').values(row).execute();
}

async function rollUp(day: string, by = analytics): Promise<number> {
  const counts = await by.countDay(day);
  return database.transaction().execute((tx) => by.writeDay(tx, day, counts));
}

const record = (tenant: string, kind: string, amount: number, at = new Date(NOW), userId?: string) =>
  database.transaction().execute((tx) => analytics.recordUsage(tx, tenant, { kind, amount, at, userId }));

async function series(question: Partial<Question> = {}): Promise<Record<string, readonly (number | null)[]>> {
  const usual: Question = { tenant: 'acme', from: '2026-11-20', to: TODAY, group: 'day', series: [] };
  const report = await reports.report({ ...usual, ...question });
  return Object.fromEntries(report.series.map(({ name, values }) => [name, values]));
}

const stored = () =>
  database
    .selectFrom('analytics_days')
    .select(['tenant', 'series', 'amount'])
    .orderBy('tenant')
    .orderBy('series')
    .execute();

describe('the roll-up of a day', () => {
  test('counts edits and feedback of that day in UTC, by tenant', async () => {
    await edit('acme', 'ada', '2026-11-19T23:59:59.999Z', 0.5);
    await edit('acme', 'ada', '2026-11-20T00:00:00Z', 0.5);
    await edit('acme', 'ada', '2026-11-20T23:59:59.999Z', 0.5);
    await edit('acme', 'ada', '2026-11-21T00:00:00Z', 0.5);
    await edit('other', 'ada', '2026-11-20T12:00:00Z', 0.5);
    await rate('acme', '2026-11-20T12:00:00Z', 5);
    await rate('acme', '2026-11-20T13:00:00Z', 2);
    expect(await rollUp('2026-11-20')).toBe(4);
    expect(await stored()).toEqual([
      { tenant: 'acme', series: 'edits.learned', amount: 2 },
      { tenant: 'acme', series: 'feedback.given', amount: 2 },
      { tenant: 'acme', series: 'feedback.ratings', amount: 7 },
      { tenant: 'other', series: 'edits.learned', amount: 1 },
    ]);
  });

  test('done twice leaves the same rows, done twice at once too', async () => {
    await edit('acme', 'ada', '2026-11-20T12:00:00Z', 0.5);
    await rollUp('2026-11-20');
    const once = await stored();
    await rollUp('2026-11-20');
    await Promise.all([rollUp('2026-11-20'), rollUp('2026-11-20')]);
    expect(await stored()).toEqual(once);
  });

  test('brings in what came late, for any day', async () => {
    await edit('acme', 'ada', '2025-03-01T12:00:00Z', 0.5);
    await rollUp('2025-03-01');
    await edit('acme', 'ada', '2025-03-01T13:00:00Z', 0.5);
    await rollUp('2025-03-01');
    expect(await stored()).toEqual([{ tenant: 'acme', series: 'edits.learned', amount: 2 }]);
  });

  test('keeps what was counted of facts that are gone', async () => {
    await edit('acme', 'ada', '2026-11-20T12:00:00Z', 0.5);
    await rollUp('2026-11-20');
    await database.deleteFrom('edits').execute();
    expect(await rollUp('2026-11-20')).toBe(0);
    expect(await stored()).toHaveLength(1);
  });

  test('of an empty service writes nothing', async () => {
    expect(await rollUp('2026-11-20')).toBe(0);
    expect(await series()).toEqual({});
  });

  test('adds up what several sources say of one kind', async () => {
    const mails = (amount: number): CountSource => ({
      countsBetween: async () => [{ tenant: 'acme', kind: 'mail.sent', amount }],
    });
    await rollUp('2026-11-20', withSources(mails(2), mails(3)));
    expect(await stored()).toEqual([{ tenant: 'acme', series: 'mail.sent', amount: 5 }]);
  });
});

describe('adaptation', () => {
  test('compares later edits of a writer with their first five', async () => {
    for (const minute of [0, 1, 2, 3, 4]) await edit('acme', 'ada', `2026-11-01T12:0${minute}:00Z`, 0.4);
    await edit('acme', 'ada', '2026-11-20T12:00:00Z', 0.1);
    await edit('acme', 'ada', '2026-11-20T13:00:00Z', 0.3);
    // Four edits say nothing yet.
    for (const minute of [0, 1, 2, 3]) await edit('acme', 'bob', `2026-11-20T12:0${minute}:00Z`, 0.9);
    await rollUp('2026-11-20');
    const found = await series({ series: ['adaptation'] });
    expect(found['adaptation.edits']).toEqual([2, 0]);
    expect(found['adaptation.accuracy']?.[0]).toBeCloseTo(1 - 0.4 / 0.8, 10);
  });

  test('counts each edit of a run that were all saved at the same moment', async () => {
    for (let each = 0; each < 8; each++) await edit('acme', 'ada', '2026-11-20T12:00:00Z', 0.2);
    await rollUp('2026-11-20');
    expect((await series())['adaptation.edits']).toEqual([3, 0]);
  });
});

describe('usage', () => {
  test('is added to the day it belongs to, also late, and to its user', async () => {
    await record('acme', 'pages', 2, undefined, 'ada');
    await record('acme', 'pages', 3, undefined, 'bob');
    await record('acme', 'pages', 4, undefined, 'bob');
    await record('acme', 'pages', 5, new Date('2026-11-20T23:59:59.999Z'));
    expect(await series()).toEqual({ 'usage.pages': [5, 9] });
    const users = await database
      .selectFrom('analytics_usage')
      .select(['user_id', 'amount'])
      .orderBy('user_id')
      .execute();
    expect(users).toEqual([
      { user_id: '', amount: 5 },
      { user_id: 'ada', amount: 2 },
      { user_id: 'bob', amount: 7 },
    ]);
  });

  test('of more than 200 kinds a day is refused; kinds that are there go on', async () => {
    for (let kind = 0; kind < 200; kind++) await record('acme', `kind-${kind}`, 1, undefined, `user-${kind % 3}`);
    await expect(record('acme', 'one-more', 1)).rejects.toMatchObject({ code: 'work-refused' });
    await record('acme', 'kind-7', 1);
    await record('other', 'one-more', 1);
    await record('acme', 'one-more', 1, new Date('2026-11-20T12:00:00Z'));
    expect((await series())['usage.kind-7']).toEqual([0, 2]);
  });
});

describe('a report', () => {
  const job = { tenant: 'acme', job: 'mills.grind-corn', outcome: 'completed', wait: [0, 0, 3], run: [3] };

  async function addJobs(...jobs: (Partial<typeof job> & { day: string; count: number })[]): Promise<void> {
    batches += 1;
    await addBatch(database, `test-${batches}`, {
      number: 1,
      jobs: jobs.map((each) => ({ ...job, ...each })),
      usage: [],
    });
  }

  test('keeps tenants apart; all of them together are what each has, and what the service has', async () => {
    await addJobs({ day: TODAY, count: 3 }, { day: TODAY, count: 5, tenant: 'other' });
    await addBatch(database, 'web', {
      number: 1,
      jobs: [],
      usage: [
        { tenant: '*', day: TODAY, kind: 'cache.hits', amount: 9 },
        { tenant: '*', day: TODAY, kind: 'cache.misses', amount: 1 },
      ],
    });
    const own = await series();
    expect(own['jobs.completed']).toEqual([0, 3]);
    expect(Object.keys(own).filter((name) => name.startsWith('cache'))).toEqual([]);
    expect((await series({ tenant: 'other' }))['jobs.completed']).toEqual([0, 5]);
    const all = await series({ tenant: undefined });
    expect(all['jobs.completed']).toEqual([0, 8]);
    expect(all['cache.hit-ratio']).toEqual([null, 0.9]);
  });

  test('leaves attempts that did not work out of the running times', async () => {
    await addJobs(
      { day: TODAY, count: 3 },
      { day: TODAY, count: 9, outcome: 'later', wait: [], run: Array(100).fill(9) },
    );
    expect((await series())['run.p95']?.[1]).toBeLessThan(1);
    expect((await series())['wait.p95']?.[1]).toBeLessThan(2);
  });

  test('of attempts that all have to come back has waits and no running times', async () => {
    await addJobs({ day: TODAY, count: 9, outcome: 'later' });
    const found = await series();
    expect([found['run.p95']?.[1], found['wait.p95'] === undefined]).toEqual([null, false]);
  });

  test('by week and month is the sum of the days that were asked for', async () => {
    // A Sunday and the Monday after it; the last day of a month.
    await addJobs({ day: '2026-11-15', count: 1 }, { day: '2026-11-16', count: 2 }, { day: '2026-10-31', count: 4 });
    const weeks = await reports.report({
      tenant: 'acme',
      from: '2026-11-12',
      to: TODAY,
      group: 'week',
      series: ['jobs.completed'],
    });
    expect(weeks.days).toEqual(['2026-11-09', '2026-11-16']);
    expect(weeks.series[0]?.values).toEqual([1, 2]);
    expect(weeks.partial).toBe('2026-11-16');
    expect((await series({ from: '2026-10-01', group: 'month' }))['jobs.completed']).toEqual([4, 3]);
  });

  test('counts today live, before and after a roll-up, and never twice', async () => {
    await edit('acme', 'ada', `${TODAY}T12:00:00Z`, 0.5);
    expect((await series())['edits.learned']).toEqual([0, 1]);
    await rollUp(TODAY);
    expect((await series())['edits.learned']).toEqual([0, 1]);
  });

  test('says which group is not over, and that none is', async () => {
    const question: Question = { tenant: 'acme', from: '2026-11-19', to: '2026-11-20', group: 'day', series: [] };
    expect((await reports.report(question)).partial).toBeNull();
    expect((await reports.report({ ...question, to: '2026-12-24' })).partial).toBe(TODAY);
  });

  test('holds the series asked for, by name or beginning, and not those that only look alike', async () => {
    await record('acme', 'pages', 1);
    await record('acme', 'pages-read', 1);
    await record('acme', 'pages.read', 1);
    expect(Object.keys(await series({ series: ['usage.pages'] }))).toEqual(['usage.pages', 'usage.pages.read']);
  });

  test('holds at most 500 series and says how many it left off', async () => {
    await addJobs(...Array.from({ length: 300 }, (_, each) => ({ day: TODAY, count: 1, job: `mills.job-${each}` })));
    const report = await reports.report({ tenant: 'acme', from: TODAY, to: TODAY, group: 'day', series: [] });
    // 300 kinds and all of them: one count and four percentiles each.
    expect([report.series.length, report.leftOff]).toEqual([500, 301 * 5 - 500]);
  });

  test('of the business compares seven days with the seven before', async () => {
    await rate('acme', '2026-11-20T12:00:00Z', 5);
    await rate('other', '2026-11-10T12:00:00Z', 3);
    expect(await reports.businessFigures()).toEqual({ adaptationAccuracy: null, feedbackTrend: null });
    await rollUp('2026-11-20');
    await rollUp('2026-11-10');
    expect(await reports.businessFigures()).toEqual({ adaptationAccuracy: null, feedbackTrend: 2 });
  });
});

describe('cleaning up', () => {
  test('removes what is older than it must be kept; a dry run says the same and removes nothing', async () => {
    await record('acme', 'pages', 1, new Date('2026-10-21T12:00:00Z'));
    await record('acme', 'pages', 1, new Date('2026-10-22T12:00:00Z'));
    await database
      .insertInto('analytics_days')
      .values(
        Array.from({ length: 1200 }, (_, each) => ({ tenant: 't', day: '2026-09-01', series: `s-${each}`, amount: 1 })),
      )
      .execute();
    const dry = await analytics.removeExpired({ dryRun: true, signal: never });
    expect(dry).toMatchObject({ removed: 1201, bytes: expect.any(Number) });
    expect(dry.bytes).toBeGreaterThan(1201 * 20);
    expect(await stored()).toHaveLength(1200);
    const told: number[] = [];
    const run = { dryRun: false, signal: never, told: async ({ removed }: Removal) => void told.push(removed) };
    expect(await analytics.removeExpired(run)).toMatchObject({ removed: 1201 });
    expect(told).toEqual([1, 501, 1001, 1201]);
    expect(await stored()).toEqual([]);
    expect(await series({ from: '2026-10-20' })).toMatchObject({ 'usage.pages': expect.arrayContaining([1]) });
    expect(await analytics.removeExpired({ dryRun: false, signal: never })).toEqual({ removed: 0, bytes: 0 });
  });

  test('ends when it is told to', async () => {
    const gone = AbortSignal.abort(new Error('gone'));
    await expect(analytics.removeExpired({ dryRun: false, signal: gone })).rejects.toThrow('gone');
  });
});

test('a report, a roll-up and a clean-up say so while PostgreSQL is away', async () => {
  const away = connectDatabase({ url: 'postgres://127.0.0.1:1/none', schema: 'none', poolSize: 2, name: 'away' });
  try {
    const own = new Analytics({ database: away, sources: [new LearningFacts({ database: away })], keepDays: 1, clock });
    const unavailable = { code: 'store-unavailable' };
    const question: Question = { tenant: 'acme', from: TODAY, to: TODAY, group: 'day', series: [] };
    await expect(new Reports({ database: away, analytics: own, clock }).report(question)).rejects.toMatchObject(
      unavailable,
    );
    await expect(own.countDay(TODAY)).rejects.toMatchObject(unavailable);
    await expect(own.removeExpired({ dryRun: false, signal: never })).rejects.toMatchObject(unavailable);
  } finally {
    await away.destroy();
  }
});
