/** Analytics over HTTP: recorded by callers, rolled up on demand, asked for by tenants and operators, shown to admins. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addDays, dayOf } from '../../src/analytics/day.ts';
import { HOSTILE_ANALYTICS } from '../support/hostile-analytics.ts';
import { REAL_JOBS } from '../support/producer-side.ts';
import { openWebSite, type WebAnswer, type WebSite } from '../support/web-site.ts';

const PASSWORD = 'correct horse';
const BASIC = { authorization: `Basic ${Buffer.from(`admin:${PASSWORD}`).toString('base64')}` };
const today = () => dayOf(Date.now());

let site: WebSite;
/** Headers of callers. */
let acme: Record<string, string>;
let other: Record<string, string>;
let operator: Record<string, string>;

beforeAll(async () => {
  const environment = { AUTH: 'on', HOST: '127.0.0.1', BOARD_PASSWORD: PASSWORD };
  site = await openWebSite({ jobsDir: REAL_JOBS, environment });
  const { apiKeys } = site.web.services;
  const caller = async (tenant: string, isOperator = false) => {
    const { key } = await apiKeys.create({ tenant, label: 'test', operator: isOperator });
    return { authorization: `Bearer ${key}` };
  };
  acme = await caller('acme');
  other = await caller('other');
  operator = await caller('default', true);
});
afterAll(() => site?.close());

async function run(job: string, payload: object, headers = acme, more: Record<string, string> = {}) {
  const { body, status } = await site.ask('POST', '/v1/jobs', { job, payload }, { ...headers, ...more });
  expect(status).toBe(202);
  return (await site.ask('GET', `/v1/jobs/${body.id}?wait=15`, undefined, headers)).body;
}

const ask = (query = '', headers = acme) => site.ask('GET', `/v1/analytics${query}`, undefined, headers);

function valuesOf({ body }: WebAnswer, name: string): (number | null)[] | undefined {
  return body.series.find((each: { name: string }) => each.name === name)?.values;
}

describe('analytics.record-usage', () => {
  test('adds once for one Idempotency-Key, on the day that it says', async () => {
    const yesterday = addDays(today(), -1);
    const payload = { kind: 'export.pages', amount: 2.5, at: `${yesterday}T23:59:59.999Z`, userId: 'ada' };
    for (let each = 0; each < 3; each++) {
      const { state } = await run('analytics.record-usage', payload, acme, { 'idempotency-key': 'pages-1' });
      expect(state).toBe('completed');
    }
    expect((await run('analytics.record-usage', { ...payload, at: `${today()}T00:00:00.000+00:00` })).result).toEqual({
      day: today(),
    });
    const answer = await ask(`?from=${yesterday}&series=usage`);
    expect(answer.body).toMatchObject({ days: [yesterday, today()], partial: today(), leftOff: 0 });
    expect(valuesOf(answer, 'usage.export.pages')).toEqual([2.5, 2.5]);
    expect(valuesOf(await ask('?series=usage', other), 'usage.export.pages')).toBeUndefined();
  });

  test.each([
    { kind: 'Pages', amount: 1 },
    { kind: 'pages.', amount: 1 },
    { kind: 'a.b.c.d', amount: 1 },
    { kind: "pages'; --", amount: 1 },
    { kind: 'x'.repeat(40), amount: 1 },
    { kind: 'pages', amount: -1 },
    { kind: 'pages', amount: 1e13 },
    { kind: 'pages', amount: '1' },
    { kind: 'pages', amount: 1, at: '2026-02-30T00:00:00Z' },
    { kind: 'pages', amount: 1, at: '1850-01-01T00:00:00Z' },
    { kind: 'pages', amount: 1, at: '2026-01-01' },
    { kind: 'pages', amount: 1, userId: 'a b' },
    { kind: 'pages', amount: 1, tenant: 'other' },
  ])('refuses %j', async (payload) => {
    const answer = await site.ask('POST', '/v1/jobs', { job: 'analytics.record-usage', payload }, acme);
    expect(answer).toMatchObject({ status: 422, body: { code: 'invalid-input' } });
  });
});

describe('analytics.roll-up-day', () => {
  test('rolls up the caller’s own figures; the default tenant those of all', async () => {
    for (const [headers, rating] of [
      [acme, 5],
      [other, 3],
    ] as const) {
      await run('learning.apply-feedback', { userId: 'ada', contentId: 'c', text: 'We use it.', rating }, headers);
    }
    const stored = () =>
      site.web.services.database
        .selectFrom('analytics_days')
        .select(['tenant', 'series', 'amount'])
        .orderBy('tenant')
        .execute();
    const first = await run('analytics.roll-up-day', { day: today() });
    expect(first.result).toEqual({ day: today(), rows: 2, enqueued: 0 });
    expect(new Set((await stored()).map(({ tenant }) => tenant))).toEqual(new Set(['acme']));
    expect((await run('analytics.roll-up-day', { day: today() }, operator)).result.rows).toBe(4);
    const rows = await stored();
    await run('analytics.roll-up-day', { day: today() }, operator);
    expect(await stored()).toEqual(rows);
    expect(valuesOf(await ask(`?from=${today()}`, other), 'feedback.rating')).toEqual([3]);
  });

  test('without a day takes yesterday, and the two days before it again', async () => {
    const { result } = await run('analytics.roll-up-day', {}, operator);
    expect(result).toEqual({ day: addDays(today(), -1), rows: 0, enqueued: 2 });
  });

  test('refuses a day that has not begun', async () => {
    const { state, error } = await run('analytics.roll-up-day', { day: addDays(today(), 2) });
    expect([state, error?.code]).toEqual(['dead', 'work-refused']);
  });
});

describe('GET /v1/analytics', () => {
  test('tells of the jobs that a worker ran, within seconds', async () => {
    await run('analytics.record-usage', { kind: 'seen', amount: 1 });
    await expect
      .poll(async () => valuesOf(await ask(`?from=${today()}`), 'jobs.completed:analytics.record-usage')?.[0] ?? 0, {
        timeout: 15_000,
      })
      .toBeGreaterThanOrEqual(1);
    const answer = await ask(`?from=${today()}&series=run`);
    expect(valuesOf(answer, 'run.p95:analytics.record-usage')?.[0]).toBeGreaterThanOrEqual(0);
    expect(valuesOf(answer, 'jobs.completed')).toBeUndefined();
  });

  test('answers the last 30 days when none are asked for, and 366 at most', async () => {
    expect((await ask()).body.days).toHaveLength(30);
    expect((await ask('?from=2025-11-21&to=2026-11-21')).body.days).toHaveLength(366);
    expect((await ask('?from=2028-02-28&to=2028-03-01&group=month')).body.days).toEqual(['2028-02-01', '2028-03-01']);
  });

  test('lets only operators ask for all tenants', async () => {
    expect(await ask('?tenants=all')).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(await ask('?tenants=all', operator)).toMatchObject({ status: 200 });
    expect((await site.ask('GET', '/v1/analytics')).status).toBe(401);
  });

  test.each(HOSTILE_ANALYTICS)('refuses %s', async (_name, query, status, code) => {
    expect(await ask(query)).toMatchObject({ status, body: { code } });
  });

  test('answers 405 to whoever posts', async () => {
    expect((await site.ask('POST', '/v1/analytics', {}, acme)).status).toBe(405);
  });
});

describe('/admin/analytics', () => {
  const FILES = [
    '',
    '/data',
    '/analytics-charts.js',
    '/analytics-chart.js',
    '/analytics-charts.css',
    '/uplot.js',
    '/uplot.css',
    '/admin.css',
  ];

  test.each(FILES)('shows nothing of it%s without the login', async (path) => {
    expect((await site.ask('GET', `/admin/analytics${path}`)).status).toBe(401);
    expect((await site.ask('GET', `/admin/analytics${path}`, undefined, acme)).status).toBe(401);
    const shown = await site.ask('GET', `/admin/analytics${path}`, undefined, BASIC);
    expect(shown.status).toBe(200);
    expect(shown.headers.get('content-security-policy')).toContain("script-src 'self'");
  });

  test.each([
    '/../package.json',
    '/%2e%2e/package.json',
    '/uPlot.esm.js',
    '/analytics-page.ts',
    '/analytics-charts.js/',
  ])('has no file %s', async (path) => {
    expect((await site.ask('GET', `/admin/analytics${path}`, undefined, BASIC)).status).toBe(404);
  });

  test('has no inline script and no inline style', async () => {
    const { text } = await site.ask('GET', '/admin/analytics?days=7"><script>', undefined, BASIC);
    expect(text).toContain('data?days=30');
    expect(text).not.toMatch(/<script>|<style|style=|\son\w+=/);
  });
});

test('learning and replies are said to be experimental', async () => {
  const { body } = await site.ask('GET', '/v1/definitions', undefined, acme);
  const experimental = body.definitions.filter((each: { experimental: boolean }) => each.experimental);
  expect(experimental.map(({ name }: { name: string }) => name)).toEqual([
    'ai.generate-reply',
    'learning.apply-feedback',
    'learning.process-edit',
    'learning.recalculate-evolution',
  ]);
});

test('old figures are removed by a job; a dry run only counts them', async () => {
  const old = { tenant: 'acme', day: '2020-01-01', series: 'edits.learned', amount: 1 };
  await site.web.services.database.insertInto('analytics_days').values(old).execute();
  const clean = async (dryRun: boolean) => (await run('cleanup.remove-old-analytics', { dryRun }, operator)).result;
  expect(await clean(true)).toMatchObject({ removed: 1, dryRun: true });
  expect(await clean(false)).toMatchObject({ removed: 1, dryRun: false });
  expect(await clean(false)).toEqual({ removed: 0, bytes: 0, dryRun: false });
});
