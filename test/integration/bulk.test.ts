import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/millrace-process.ts';
import { REAL_JOBS } from '../support/producer-side.ts';
import { startPrivateRedis } from '../support/stores.ts';
import { openWebSite, type WebSite } from '../support/web-site.ts';

const FEEDBACK = 'learning.apply-feedback';

/** A job that can be told from others by its number. */
function job(n: number, more: object = {}) {
  return { job: FEEDBACK, payload: { userId: `u${n}`, contentId: 'c', text: 'I use it.', rating: 5 }, ...more };
}

const jobs = (count: number, more: (n: number) => object = () => ({})) =>
  Array.from({ length: count }, (_, n) => job(n, more(n)));

/** Ids of what waits, the next one first. */
async function waiting({ web }: WebSite): Promise<string[]> {
  const found = await web.services.queues.get('learning').getWaiting(0, -1);
  return found.map(({ id }) => id ?? '');
}

/** Send jobs as lines; the answers, line by line. */
async function stream({ port }: WebSite, lines: readonly unknown[], headers: Record<string, string> = {}) {
  const answer = await fetch(`http://127.0.0.1:${port}/v1/jobs/stream`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson', ...headers },
    body: lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
    signal: AbortSignal.timeout(60_000),
  });
  const text = await answer.text();
  const answers = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  return { status: answer.status, answers: answers.slice(0, -1), last: answers.at(-1) };
}

const idsOf = (answers: readonly { id: string }[]) => answers.map(({ id }) => id);

describe('many jobs in one list', () => {
  let site: WebSite;

  beforeAll(async () => {
    site = await openWebSite({ jobsDir: REAL_JOBS, worker: false });
  });
  afterAll(() => site.close());

  const bulk = (list: unknown, headers?: Record<string, string>) =>
    site.ask('POST', '/v1/jobs/bulk', { jobs: list }, headers);

  test('are all accepted and wait in the order of the list', async () => {
    const { status, body } = await bulk(jobs(1000));
    expect(status).toBe(202);
    expect(body).toMatchObject({ accepted: 1000, refused: 0 });
    expect(body.jobs[7]).toEqual({
      id: expect.stringMatching(/^learning_/),
      job: FEEDBACK,
      queue: 'learning',
      state: expect.stringMatching(/^(waiting|accepted)$/),
      requestedAt: expect.any(String),
    });
    const ids = await eventually(
      () => waiting(site),
      (found) => found.length === 1000,
      10_000,
    );
    expect(ids).toEqual(idsOf(body.jobs));
  });

  test('are each refused by themselves, with what POST /v1/jobs would say', async () => {
    const { status, body } = await bulk([
      job(1, { delayMs: 60_000, tags: ['later'], priority: 3 }),
      { job: 'learning.nothing', payload: {} },
      job(2, { payload: { userId: 'a:b' } }),
      job(3, { runAt: '2126-01-01T00:00:00Z' }),
      job(4, { idempotencyKey: 'é' }),
      { job: FEEDBACK },
    ]);
    expect(status).toBe(207);
    expect(body).toMatchObject({ accepted: 1, refused: 5 });
    const [first, ...refused] = body.jobs;
    expect(first).toMatchObject({ state: 'delayed', runAt: expect.any(String) });
    expect((await site.ask('GET', `/v1/jobs/${first.id}`)).body).toMatchObject({ tags: ['later'], priority: 3 });
    const seen = refused.map((each: { code: string; problems?: { pointer: string }[] }) => [
      each.code,
      each.problems?.[0]?.pointer,
    ]);
    expect(seen).toEqual([
      ['unknown-job', undefined],
      ['invalid-input', '/payload/userId'],
      ['invalid-input', '/runAt'],
      ['invalid-input', '/idempotencyKey'],
      ['invalid-input', '/payload'],
    ]);
  });

  test('have each its own key, the same as the header of POST /v1/jobs; one key for all is refused', async () => {
    const single = await site.ask('POST', '/v1/jobs', job(1), { 'idempotency-key': 'order-1' });
    const list = [job(1, { idempotencyKey: 'order-1' }), job(2, { idempotencyKey: 'order-2' })];
    const first = await bulk(list);
    expect(first.status).toBe(202);
    expect(first.body.jobs[0].id).toBe(single.body.id);
    expect(idsOf((await bulk(list)).body.jobs)).toEqual(idsOf(first.body.jobs));
    const other = await bulk([job(9, { idempotencyKey: 'order-2' }), job(3)]);
    expect(other).toMatchObject({
      status: 207,
      body: { jobs: [{ code: 'idempotency-key-reused' }, { job: FEEDBACK }] },
    });
    const shared = await bulk(list, { 'idempotency-key': 'all' });
    expect(shared).toMatchObject({ status: 422, body: { problems: [{ pointer: 'header:Idempotency-Key' }] } });
  });
});

describe('many jobs as a stream', () => {
  let site: WebSite;

  beforeAll(async () => {
    site = await openWebSite({ jobsDir: REAL_JOBS, worker: false });
  });
  afterAll(() => site.close());

  test('are answered in their order and wait in it; sent again with their keys they are the same jobs', async () => {
    const list = jobs(5000, (n) => (n % 10 === 0 ? { idempotencyKey: `line-${n}` } : {}));
    const { status, answers, last } = await stream(site, list);
    expect(status).toBe(200);
    expect(last).toEqual({ done: true, lines: 5000, accepted: 5000, refused: 0 });
    expect(answers.map(({ line }) => line)).toEqual(list.map((_, n) => n + 1));
    expect(answers[1]).toEqual({
      line: 2,
      id: expect.stringMatching(/^learning_/),
      state: expect.stringMatching(/^(waiting|accepted)$/),
    });
    const ids = await eventually(
      () => waiting(site),
      (found) => found.length === 5000,
      20_000,
    );
    const unkeyed = (each: readonly string[]) => each.filter((id) => id.length < 'learning_'.length + 64);
    expect(unkeyed(ids)).toEqual(unkeyed(idsOf(answers)));
    expect(new Set(ids)).toEqual(new Set(idsOf(answers)));

    const keyed = list.filter((_, n) => n % 10 === 0);
    const again = await stream(site, keyed);
    expect(idsOf(again.answers)).toEqual(idsOf(answers.filter((_, n) => n % 10 === 0)));
    expect((await waiting(site)).length).toBe(5000);
  });

  test('are each refused by themselves', async () => {
    const { answers, last } = await stream(site, [
      job(1),
      '{"job":',
      '',
      { job: 'learning.nothing', payload: {} },
      job(2),
    ]);
    expect(answers).toMatchObject([
      { line: 1, state: expect.any(String) },
      { line: 2, code: 'malformed-json' },
      { line: 4, code: 'unknown-job' },
      { line: 5, state: expect.any(String) },
    ]);
    expect(last).toEqual({ done: true, lines: 5, accepted: 2, refused: 2 });
  });

  test('have no key in common', async () => {
    const { status, answers, last } = await stream(site, [job(1)], { 'idempotency-key': 'all' });
    expect([status, answers, last.code]).toEqual([422, [], 'invalid-input']);
  });
});

test('a list and a stream are accepted while Redis is away, and wait in their order once it is back', async () => {
  const redis = await startPrivateRedis();
  const site = await openWebSite({ jobsDir: REAL_JOBS, worker: false, stores: { redis: redis.url } });
  try {
    await redis.kill();
    const list = await site.ask('POST', '/v1/jobs/bulk', { jobs: jobs(300) });
    const streamed = await stream(site, jobs(300));
    expect([list.status, streamed.last]).toEqual([202, { done: true, lines: 300, accepted: 300, refused: 0 }]);
    const answers = [...list.body.jobs, ...streamed.answers];
    expect(new Set(answers.map(({ state }) => state))).toEqual(new Set(['accepted']));
    await redis.restart();
    const count = () => waiting(site).catch(() => []);
    const ids = await eventually(count, (found) => found.length === 600, 20_000);
    expect(ids).toEqual(idsOf(answers));
  } finally {
    await site.close();
    await redis.stop();
  }
});

test('a job of a list and one of a stream run like any other', async () => {
  const site = await openWebSite({ jobsDir: REAL_JOBS });
  try {
    const { body } = await site.ask('POST', '/v1/jobs/bulk', { jobs: [job(1)] });
    const { answers } = await stream(site, [job(2)]);
    for (const id of idsOf([...body.jobs, ...answers])) {
      expect((await site.ask('GET', `/v1/jobs/${id}?wait=20`)).body.state).toBe('completed');
    }
  } finally {
    await site.close();
  }
});
