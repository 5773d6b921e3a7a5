import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { defineJob } from '../../src/queue/job.ts';
import { profile } from '../../src/resources.ts';
import { type Probe, startProbe } from '../support/probe-worker.ts';
import { type PrivateStore, startPrivatePostgres } from '../support/stores.ts';
import { createWorld, type World } from '../support/world.ts';

let postgres: PrivateStore;
let world: World;
let probe: Probe;

const job = (name: string, more: object = {}) =>
  defineJob({
    name,
    about: 'A probe.',
    payload: z.strictObject({}),
    result: z.string(),
    example: {},
    run: async () => 'done',
    ...more,
  });

beforeAll(async () => {
  // It is killed soon after the migrations, which must outlive it.
  postgres = await startPrivatePostgres({ synchronous_commit: 'on' });
  world = await createWorld({ stores: { database: postgres.url } });
  const declaring = job('probe.declaring', { invalidates: () => [profile('default', 'u')] });
  probe = await startProbe(world, [job('probe.bare'), declaring]);
});

afterAll(async () => {
  await probe.stop();
  await world.close();
  await postgres.stop();
});

test('a job that declares nothing asks PostgreSQL nothing; one that declares something waits for it', async () => {
  const { producer } = probe.services;
  await postgres.kill();
  const declaring = await producer.enqueue({ tenant: 'default', job: 'probe.declaring', payload: {} });
  const bare = await producer.enqueue({ tenant: 'default', job: 'probe.bare', payload: {} });
  await probe.until(declaring.id, 'delayed');
  expect(await probe.until(bare.id)).toMatchObject({ state: 'completed', result: 'done', attempts: { made: 1 } });
  await postgres.restart();
  expect(await probe.until(declaring.id)).toMatchObject({ state: 'completed', result: 'done' });
});

test('a job that was cancelled does not run when its key comes again', async () => {
  const { producer, inspector } = probe.services;
  const request = { tenant: 'default', job: 'probe.bare', payload: {}, idempotencyKey: 'cancelled once' };
  const { id } = await producer.enqueue({ ...request, runAt: new Date(Date.now() + 60_000) });
  expect(await inspector.cancel('default', id)).toMatchObject({ state: 'cancelled' });
  expect(await producer.enqueue(request)).toMatchObject({ id });
  const view = await probe.until(id);
  expect(view).toMatchObject({ state: 'cancelled' });
});
