/** The journal under faults: Redis away, the web process killed, the disk full, damage on disk. */

import { afterAll, afterEach, expect, it } from 'vitest';
import { endAll, eventually, freePort, MillraceProcess } from '../support/millrace-process.ts';
import { type PrivateStore, startPrivateRedis } from '../support/stores.ts';
import { createWorld, type World } from '../support/world.ts';

const JOBS_DIR = 'test/fixtures/jobs';
let redis: PrivateStore;
let world: World;

afterEach(async () => {
  await endAll();
  await world?.close();
});
afterAll(async () => {
  await redis?.stop();
});

async function startWeb(environment = world.environment) {
  const port = await freePort();
  const web = new MillraceProcess('web', { environment: { ...environment, PORT: String(port), JOBS_DIR } });
  await web.printed('running');
  return { web, url: `http://127.0.0.1:${port}` };
}

async function enqueue(url: string, number: number): Promise<{ status: number; body: { id: string; state: string } }> {
  const response = await fetch(`${url}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ job: 'learning.chaos-bare', payload: { n: number } }),
  });
  return { status: response.status, body: (await response.json()) as { id: string; state: string } };
}

it('accepts while Redis is down, survives kill -9, and another process hands everything over', async () => {
  redis = await startPrivateRedis();
  world = await createWorld({ stores: { redis: redis.url } });
  const first = await startWeb();
  await redis.kill();
  const answers = [];
  for (let number = 0; number < 200; number++) answers.push(await enqueue(first.url, number));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202));
  expect(answers.at(-1)?.body.state).toBe('accepted');
  await first.web.end('SIGKILL');
  const second = await startWeb();
  const id = answers[7]?.body.id;
  expect(await (await fetch(`${second.url}/v1/jobs/${id}`)).json()).toMatchObject({ state: 'accepted' });
  await redis.restart();
  const counts = await eventually(
    async () => (await fetch(`${second.url}/v1/queues/learning`)).json(),
    (answer) => (answer as { counts?: { waiting: number } }).counts?.waiting === 200,
    10_000,
  );
  expect(counts).toBeDefined();
});
