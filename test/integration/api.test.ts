import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { playHostile } from '../support/hostile-player.ts';
import { HOSTILE_REQUESTS } from '../support/hostile-requests.ts';
import { REAL_JOBS } from '../support/producer-side.ts';
import { openWebSite, type WebSite } from '../support/web-site.ts';

let site: WebSite;
const logged: string[] = [];

beforeAll(async () => {
  site = await openWebSite({ jobsDir: REAL_JOBS, onLog: (line) => logged.push(line) });
});

afterAll(() => site.close());

const payload = { userId: 'u', contentId: 'c', originalText: 'I utilize it.', editedText: 'I use it.' };
const job = { job: 'learning.process-edit', payload };

describe('a job over HTTP', () => {
  test('is accepted with its place, runs, and is read back with its result', async () => {
    const accepted = await site.ask('POST', '/v1/jobs', job);
    expect(accepted.status).toBe(202);
    expect(accepted.body).toMatchObject({ job: job.job, queue: 'learning', state: 'waiting' });
    expect(accepted.headers.get('location')).toBe(`/v1/jobs/${accepted.body.id}`);
    const done = await site.ask('GET', `/v1/jobs/${accepted.body.id}?wait=20`);
    expect(done.body).toMatchObject({ state: 'completed', result: { edits: expect.any(Number) }, error: null });
    expect(done.body.finishedAt).not.toBeNull();
  });

  test('that is put off is delayed until then, and can be cancelled', async () => {
    const { body } = await site.ask('POST', '/v1/jobs', { ...job, delayMs: 60_000, tags: ['later'], priority: 5 });
    expect(body).toMatchObject({ state: 'delayed', runAt: expect.any(String) });
    const view = await site.ask('GET', `/v1/jobs/${body.id}`);
    expect(view.body).toMatchObject({ state: 'delayed', tags: ['later'], priority: 5 });
    expect((await site.ask('DELETE', `/v1/jobs/${body.id}`)).body.state).toBe('cancelled');
    expect((await site.ask('GET', `/v1/jobs/${body.id}`)).body.state).toBe('cancelled');
  });

  test('with one Idempotency-Key is one job with one answer; another body is refused', async () => {
    const key = { 'idempotency-key': 'order-1 é'.replace(' é', '') };
    const first = await site.ask('POST', '/v1/jobs', job, key);
    const again = await site.ask('POST', '/v1/jobs', job, key);
    expect(again.body).toEqual(first.body);
    const other = await site.ask('POST', '/v1/jobs', { ...job, priority: 1 }, key);
    expect(other).toMatchObject({ status: 422, body: { code: 'idempotency-key-reused' } });
  });

  test('long-polling for a job that never finishes ends when it said', async () => {
    const { body } = await site.ask('POST', '/v1/jobs', { ...job, delayMs: 60_000 });
    const view = await site.ask('GET', `/v1/jobs/${body.id}?wait=0.3`);
    expect(view.body.state).toBe('delayed');
  });
});

describe('what is wrong is said', () => {
  const wrong: [what: string, change: object, status: number, code: string, pointer?: string][] = [
    ['an unknown job', { job: 'learning.nothing' }, 404, 'unknown-job'],
    ['an unknown field', { extra: 1 }, 422, 'invalid-input', '/extra'],
    ['an unknown payload field', { payload: { ...payload, extra: 1 } }, 422, 'invalid-input', '/payload/extra'],
    [
      'a missing payload field',
      { payload: { ...payload, userId: undefined } },
      422,
      'invalid-input',
      '/payload/userId',
    ],
    ['a payload that is a list', { payload: [] }, 422, 'invalid-input', '/payload'],
    ['a user id with a colon', { payload: { ...payload, userId: 'a:b' } }, 422, 'invalid-input', '/payload/userId'],
    ['a text of a wrong type', { payload: { ...payload, editedText: 1 } }, 422, 'invalid-input', '/payload/editedText'],
    ['delay −5', { delayMs: -5 }, 422, 'invalid-input', '/delayMs'],
    ['delay "abc"', { delayMs: 'abc' }, 422, 'invalid-input', '/delayMs'],
    ['delay 1e15', { delayMs: 1e15 }, 422, 'invalid-input', '/delayMs'],
    ['delay 1.5', { delayMs: 1.5 }, 422, 'invalid-input', '/delayMs'],
    ['runAt not a time', { runAt: 'tomorrow' }, 422, 'invalid-input', '/runAt'],
    ['runAt in a hundred years', { runAt: '2126-01-01T00:00:00Z' }, 422, 'invalid-input', '/runAt'],
    ['delay and runAt', { delayMs: 1, runAt: '2026-12-01T00:00:00Z' }, 422, 'invalid-input', '/runAt'],
    ['attempts 0', { attempts: 0 }, 422, 'invalid-input', '/attempts'],
    ['attempts −1', { attempts: -1 }, 422, 'invalid-input', '/attempts'],
    ['attempts 26', { attempts: 26 }, 422, 'invalid-input', '/attempts'],
    ['attempts 1e9', { attempts: 1e9 }, 422, 'invalid-input', '/attempts'],
    ['priority −1', { priority: -1 }, 422, 'invalid-input', '/priority'],
    ['priority 101', { priority: 101 }, 422, 'invalid-input', '/priority'],
    ['timeout 1 ms', { timeoutMs: 1 }, 422, 'invalid-input', '/timeoutMs'],
    ['an id of our own', { id: '12345' }, 422, 'invalid-input', '/id'],
    ['too many tags', { tags: Array(11).fill('t') }, 422, 'invalid-input', '/tags'],
    ['job "__proto__"', { job: '__proto__' }, 404, 'unknown-job'],
    ['job "constructor"', { job: 'constructor' }, 404, 'unknown-job'],
  ];

  test.each(wrong)('%s', async (_what, change, status, code, pointer) => {
    const before = await site.ask('GET', '/v1/queues/learning');
    const { counts } = before.body;
    const answer = await site.ask('POST', '/v1/jobs', { ...job, ...change });
    expect(answer).toMatchObject({ status, body: { code, status } });
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(Buffer.byteLength(answer.text)).toBeLessThanOrEqual(4096);
    if (pointer !== undefined) expect(answer.body.problems[0].pointer).toBe(pointer);
    const after = await site.ask('GET', '/v1/queues/learning');
    const sum = (each: typeof counts) => each.waiting + each.active + each.delayed + each.completed + each.failed;
    expect(sum(after.body.counts)).toBe(sum(counts));
  });

  test.each(['12345', 'a:b', 'learning_x', `learning_${'f'.repeat(32)}`])('GET /v1/jobs/%s is 404', async (id) => {
    expect(await site.ask('GET', `/v1/jobs/${id}`)).toMatchObject({ status: 404, body: { code: 'job-not-found' } });
  });

  test.each(['', 'x'.repeat(256), 'caf\u00e9', 'a\tb'])('the Idempotency-Key %j is refused', async (key) => {
    const answer = await site.ask('POST', '/v1/jobs', job, { 'idempotency-key': key });
    expect(answer).toMatchObject({ status: 422, body: { code: 'invalid-input' } });
  });

  test('save-edits with a bad content id or body', async () => {
    const body = { userId: 'u', originalText: 'a', editedText: 'b' };
    expect((await site.ask('POST', '/api/content/a%3Ab/save-edits', body)).status).toBe(422);
    const { body: problem } = await site.ask('POST', '/api/content/a/save-edits', { ...body, originalText: null });
    expect(problem.problems[0].pointer).toBe('/originalText');
  });
});

test('the hostile table: every request is answered as it must be, and the service goes on', async () => {
  const target = { port: site.port, post: '/v1/jobs', get: '/v1/definitions', item: '/v1/jobs/', headers: [] };
  const wrong: string[] = [];
  for (const hostile of HOSTILE_REQUESTS) {
    if (hostile.slow) continue;
    for (const fault of await playHostile(hostile, target)) wrong.push(`${hostile.name}: ${fault}`);
  }
  expect(wrong).toEqual([]);
  expect((await site.ask('GET', '/readyz')).status).toBe(200);
}, 120_000);

describe('profiles', () => {
  test('an unknown writer has the empty profile; a second read is a hit', async () => {
    const first = await site.ask('GET', '/api/profile/style?userId=nobody');
    expect(first).toMatchObject({ status: 200, body: { version: 0, edits: 0, patterns: [], archetype: null } });
    expect(first.headers.get('x-cache')).toBe('miss');
    expect((await site.ask('GET', '/api/profile/style?userId=nobody')).headers.get('x-cache')).toBe('hit');
  });

  test('preferences win over what was learned, bump the version and are seen at once', async () => {
    const saved = await site.ask('POST', '/api/content/c/save-edits', {
      ...payload,
      contentId: undefined,
      userId: 'pref',
    });
    expect(saved.status).toBe(202);
    await site.ask('GET', `/v1/jobs/${saved.body.id}?wait=20`);
    const learned = await site.ask('GET', '/api/profile/style?userId=pref');
    const [name = ''] = Object.keys(learned.body.features);
    const put = await site.ask('PUT', '/api/profile/style', {
      userId: 'pref',
      preferences: { features: { [name]: 7 } },
    });
    expect(put.body).toMatchObject({ version: learned.body.version + 1, preferences: { features: { [name]: 7 } } });
    const read = await site.ask('GET', '/api/profile/style?userId=pref');
    expect(read.body.features[name]).toMatchObject({ mean: 7, source: 'preference' });
    expect(read.body.edits).toBe(1);
  });

  test('match, evolution and archetypes answer', async () => {
    const match = await site.ask('POST', '/api/profile/style/match', { userId: 'u', text: 'I use it every day.' });
    expect(match.status).toBe(200);
    expect(match.body.score).toBeGreaterThanOrEqual(0);
    expect(match.body.score).toBeLessThanOrEqual(1);
    expect((await site.ask('GET', '/api/profile/evolution?userId=u')).body).toMatchObject({ userId: 'u' });
    expect((await site.ask('GET', '/api/archetypes')).body.archetypes.length).toBeGreaterThan(0);
  });

  test('feedback is learned', async () => {
    const body = { userId: 'u', contentId: 'c', text: 'I use it.', rating: 5 };
    const { body: accepted } = await site.ask('POST', '/v1/jobs', { job: 'learning.apply-feedback', payload: body });
    expect((await site.ask('GET', `/v1/jobs/${accepted.id}?wait=20`)).body.state).toBe('completed');
  });

  test('recalculation of one and of all writers completes', async () => {
    for (const each of [{ userId: 'u' }, {}]) {
      const request = { job: 'learning.recalculate-evolution', payload: each };
      const { body: accepted } = await site.ask('POST', '/v1/jobs', request);
      expect((await site.ask('GET', `/v1/jobs/${accepted.id}?wait=20`)).body.state).toBe('completed');
    }
  });
});

describe('flows', () => {
  test('a state is read back with its summary', async () => {
    const state = { status: 'running', phase: 'field_mapping', progress: 45, rows: [1, 2] };
    expect((await site.ask('PUT', '/api/flows/f1/state', state)).body).toMatchObject({
      phase: 'field_mapping',
      progress: 45,
    });
    expect((await site.ask('GET', '/api/flows/f1/state')).body).toMatchObject({ state, meta: { status: 'running' } });
    expect((await site.ask('GET', '/api/flows/f2/state')).body).toEqual({ state: null, meta: null });
  });
});

test('health has the shape of the seeds', async () => {
  const { body, status } = await site.ask('GET', '/health');
  expect(status).toBe(200);
  expect(body.services).toEqual({
    database: 'connected',
    redis: 'connected',
    cache: 'connected',
    queue: 'healthy',
    model: 'not configured',
  });
});

test('the request id goes from the request to the worker; no payload and no text is logged', async () => {
  const secretText = 'Wxyzzy plugh.';
  const body = { userId: 'logs', originalText: secretText, editedText: 'Plain.' };
  const { body: saved } = await site.ask('POST', '/api/content/c/save-edits', body, { 'x-request-id': 'trace-me-1' });
  await site.ask('GET', `/v1/jobs/${saved.id}?wait=20`);
  const line = logged.map((each) => JSON.parse(each)).find((each) => each.jobId === saved.id);
  expect(line).toMatchObject({ requestId: 'trace-me-1', job: 'learning.process-edit', tenant: 'default' });
  expect(logged.join('\n')).not.toContain('xyzzy');
});

test('a request that nobody named is found in its job’s id and lines, also where it asked for several', async () => {
  const lines = (id: string) => logged.map((each) => JSON.parse(each)).filter(({ jobId }) => jobId === id);
  const one = await site.ask('POST', '/v1/jobs', job);
  const several = await site.ask('POST', '/v1/jobs/bulk', { jobs: [job, job] });
  const [first, second] = several.body.jobs as { id: string }[];
  expect(first?.id).not.toBe(second?.id);
  expect(one.body.id).toBe(`learning_${one.headers.get('x-request-id')}`);
  for (const [{ headers }, id] of [
    [one, one.body.id],
    [several, first?.id],
    [several, second?.id],
  ] as const) {
    await site.ask('GET', `/v1/jobs/${id}?wait=20`);
    const requestId = headers.get('x-request-id');
    expect(lines(id).map((line) => line.requestId)).toContain(requestId);
  }
});

test('a name that two requests share makes two jobs', async () => {
  const shared = { 'x-request-id': '0'.repeat(32) };
  const ids = [await site.ask('POST', '/v1/jobs', job, shared), await site.ask('POST', '/v1/jobs', job, shared)];
  expect(new Set(ids.map(({ body }) => body.id)).size).toBe(2);
  expect(ids.map(({ body }) => body.id)).not.toContain(`learning_${'0'.repeat(32)}`);
});

describe('a dropped-in definition', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(REAL_JOBS, '..', 'test', 'fixtures', 'tmp-drop-'));
    await mkdir(join(folder, 'learning'));
    await writeFile(
      join(folder, 'learning', 'greet-writer.ts'),
      `
      import { z } from 'zod';
      import { defineJob } from '../../../../src/queue/job.ts';
      let tries = 0;
      export default defineJob({
        name: 'learning.greet-writer',
        about: 'Greet a writer.',
        payload: z.strictObject({ name: z.string().min(1), stuck: z.boolean().optional() }),
        result: z.object({ greeting: z.string(), attempt: z.int() }),
        example: { name: 'Ada' },
        attempts: 3, timeoutMs: 300, backoff: { delayMs: 10, capMs: 10 },
        async run({ name, stuck }, { job }) {
          if (stuck) await new Promise(() => {});
          tries += 1;
          if (tries === 1) throw new Error('first time');
          return { greeting: 'Hello ' + name, attempt: job.attempt };
        },
      });`,
    );
  });

  afterAll(() => rm(folder, { recursive: true }));

  test('is callable, typed, retried, timed, documented and on the board, with one new file', async () => {
    const own = await openWebSite({ jobsDir: folder, environment: { BOARD_PASSWORD: 'board-password' } });
    try {
      const call = (of: object) => own.ask('POST', '/v1/jobs', { job: 'learning.greet-writer', payload: of });
      const called = await call({ name: 'Ada' });
      const done = await own.ask('GET', `/v1/jobs/${called.body.id}?wait=20`);
      expect(done.body).toMatchObject({ state: 'completed', result: { greeting: 'Hello Ada', attempt: 2 } });
      expect(await call({ name: 1 })).toMatchObject({
        status: 422,
        body: { problems: [{ pointer: '/payload/name' }] },
      });
      const stuck = await call({ name: 'Ada', stuck: true });
      const dead = await own.ask('GET', `/v1/jobs/${stuck.body.id}?wait=20`);
      expect(dead.body).toMatchObject({ state: 'dead', attempts: { made: 3 }, error: { code: 'attempt-timed-out' } });
      const letters = await own.ask('GET', '/v1/queues/learning/dead');
      expect(letters.body.jobs.map(({ id }: { id: string }) => id)).toContain(stuck.body.id);
      const { body } = await own.ask('GET', '/v1/definitions');
      const described = body.definitions.find(({ name }: { name: string }) => name === 'learning.greet-writer');
      expect(described).toMatchObject({
        about: 'Greet a writer.',
        limits: { attempts: 3, timeoutMs: 300 },
        example: { name: 'Ada' },
      });
      expect(described.payload.properties.name).toMatchObject({ type: 'string' });
      const login = { authorization: `Basic ${Buffer.from('admin:board-password').toString('base64')}` };
      const board = await own.ask(
        'GET',
        '/admin/queues/api/queues?activeQueue=learning&status=completed',
        undefined,
        login,
      );
      expect(board.text).toContain('learning.greet-writer');
    } finally {
      await own.close();
    }
  });
});

describe('with AUTH=on', () => {
  test('a key names its tenant; another tenant’s job does not exist; a revoked key and no key are 401', async () => {
    const own = await openWebSite({ jobsDir: REAL_JOBS, environment: { AUTH: 'on', HOST: '127.0.0.1' } });
    try {
      const { apiKeys } = own.web.services;
      const [acme, other] = await Promise.all([
        apiKeys.create({ tenant: 'acme', label: 'a' }),
        apiKeys.create({ tenant: 'other', label: 'b' }),
      ]);
      const as = ({ key }: { key: string }) => ({ authorization: `Bearer ${key}` });
      const nobody = await own.ask('POST', '/v1/jobs', job);
      expect(nobody).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
      expect(nobody.headers.get('www-authenticate')).toContain('Bearer');
      const { body } = await own.ask('POST', '/v1/jobs', job, as(acme));
      const done = await own.ask('GET', `/v1/jobs/${body.id}?wait=20`, undefined, as(acme));
      expect(done.body.state).toBe('completed');
      expect((await own.ask('GET', `/v1/jobs/${body.id}`, undefined, as(other))).status).toBe(404);
      expect((await own.ask('DELETE', `/v1/jobs/${body.id}`, undefined, as(other))).status).toBe(404);
      const style = (who: { key: string }) => own.ask('GET', '/api/profile/style?userId=u', undefined, as(who));
      expect((await style(acme)).body.edits).toBe(1);
      expect((await style(other)).body.edits).toBe(0);
      expect((await own.ask('GET', '/cache-stats', undefined, as(acme))).status).toBe(403);
      await apiKeys.revoke(acme.id);
      expect((await style(acme)).status).toBe(401);
    } finally {
      await own.close();
    }
  });
});
