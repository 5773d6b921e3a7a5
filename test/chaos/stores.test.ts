import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { buildOnce, endAll, eventually, freePort, MillraceProcess } from '../support/millrace-process.ts';
import { type PrivateStore, startPrivatePostgres, startPrivateRedis } from '../support/stores.ts';
import { createWorld, type World } from '../support/world.ts';

let redis: PrivateStore;
let postgres: PrivateStore;
let world: World;
let base: string;
let web: MillraceProcess;
let worker: MillraceProcess;

beforeAll(async () => {
  buildOnce();
  [redis, postgres] = await Promise.all([startPrivateRedis(), startPrivatePostgres()]);
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  world = await createWorld({
    stores: { redis: redis.url, database: postgres.url },
    environment: {
      PORT: String(port),
      EDIT_BATCH_WINDOW_MINUTES: '0',
      LEARNING_RATE_LIMIT_MINUTES: '0',
      SHUTDOWN_DEADLINE_MS: '8000',
    },
  });
  web = new MillraceProcess('web', { environment: world.environment, built: true });
  worker = new MillraceProcess('worker', { environment: world.environment, built: true });
  await Promise.all([web.printed('running'), worker.printed('running')]);
});

afterEach(() => {
  // A test that failed half way must not leave the next one a frozen store.
  redis.resume();
});

afterAll(async () => {
  await endAll();
  await world.close();
  await Promise.all([redis.stop(), postgres.stop()]);
});

async function post(path: string, body: object) {
  const startedMs = performance.now();
  const response = await fetch(base + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  });
  const answer: unknown = await response.json();
  return {
    status: response.status,
    retryAfter: response.headers.get('retry-after'),
    answer,
    ms: performance.now() - startedMs,
  };
}

async function get(path: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(base + path, { signal: AbortSignal.timeout(10_000) });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const edit = (userId: string) => ({
  userId,
  originalText: 'I would like to utilize the plan.',
  editedText: "Let's use the plan.",
});
const enqueue = (userId: string) =>
  post('/v1/jobs', { job: 'learning.process-edit', payload: { contentId: 'c', ...edit(userId) } });
const ready = () =>
  eventually(
    () => get('/readyz'),
    ({ status }) => status === 200,
    20_000,
  );
const learned = (userId: string, ms = 40_000) =>
  eventually(
    () => get(`/api/profile/style?userId=${userId}`),
    ({ body }) => body.edits === 1,
    ms,
  );

describe('the queue Redis', () => {
  test.each([
    ['is killed', () => redis.kill(), () => redis.restart()],
    ['is frozen', async () => redis.pause(), async () => redis.resume()],
  ])(
    '%s: jobs and saved edits are accepted and can be seen, and all are done once it is back',
    async (what, away, back) => {
      await ready();
      await away();
      const user = `redis-${what.replace(/\W/g, '-')}`;
      const accepted = await enqueue(`${user}-job`);
      expect(accepted).toMatchObject({ status: 202, answer: { state: 'accepted' } });
      expect(accepted.ms).toBeLessThan(2000);
      const saved = await post('/api/content/c/save-edits', edit(user));
      expect(saved).toMatchObject({ status: 202, answer: { state: 'accepted' } });
      const { id } = accepted.answer as { id: string };
      expect(await get(`/v1/jobs/${id}`)).toMatchObject({ status: 200, body: { id, state: 'accepted' } });
      const elsewhere = await get(`/v1/jobs/${id.slice(0, -1)}${id.endsWith('0') ? '1' : '0'}`);
      expect(elsewhere).toMatchObject({ status: 503, body: { code: 'state-unknown' } });
      expect((await get('/readyz')).status).toBe(200);
      const { body: health } = await get('/health');
      expect(health).toMatchObject({ status: 'degraded', services: { redis: 'disconnected', database: 'connected' } });
      await back();
      await learned(`${user}-job`);
      await learned(user);
    },
  );
});

describe('PostgreSQL', () => {
  test('is killed: enqueue goes on, saving an edit is 503, and the job spends no attempt', async () => {
    await ready();
    await postgres.kill();
    const saved = await post('/api/content/c/save-edits', edit('postgres-save'));
    expect(saved).toMatchObject({ status: 503, answer: { code: 'store-unavailable' } });
    const { status, answer } = await enqueue('postgres-job');
    expect(status).toBe(202);
    const { id } = answer as { id: string };
    const waiting = await eventually(
      () => get(`/v1/jobs/${id}`),
      ({ body }) => body.state === 'delayed',
      20_000,
    );
    expect(waiting.body).toMatchObject({ attempts: { made: 0 } });
    await postgres.restart();
    const done = await eventually(
      () => get(`/v1/jobs/${id}`),
      ({ body }) => body.state === 'completed' || body.state === 'dead',
      40_000,
    );
    expect(done.body).toMatchObject({ state: 'completed', result: { edits: 1 } });
  });
});

describe('SIGTERM while the queue Redis is frozen', () => {
  test('ends web and worker within their deadline', async () => {
    await ready();
    redis.pause();
    const startedMs = Date.now();
    await Promise.all([web.end('SIGTERM', 15_000), worker.end('SIGTERM', 15_000)]);
    expect(Date.now() - startedMs).toBeLessThan(15_000);
    redis.resume();
  });
});

describe('web and worker that start while the queue Redis is away', () => {
  test('come up, say what is missing, and work by themselves once it is back', async () => {
    await endAll();
    await redis.kill();
    web = new MillraceProcess('web', { environment: world.environment, built: true });
    worker = new MillraceProcess('worker', { environment: world.environment, built: true });
    await Promise.all([web.printed('running'), worker.printed('running')]);
    expect((await get('/readyz')).status).toBe(200);
    expect(await enqueue('early')).toMatchObject({ status: 202, answer: { state: 'accepted' } });
    await redis.restart();
    expect((await enqueue('late')).status).toBe(202);
    await learned('early');
    await learned('late');
    await Promise.all([web.end(), worker.end()]);
  });
});
