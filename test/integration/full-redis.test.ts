import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Services } from '../../src/services.ts';
import { REAL_JOBS, startProducerSide, stopProducerSide } from '../support/producer-side.ts';
import { type PrivateStore, startPrivateRedis } from '../support/stores.ts';
import { createWorld, type World } from '../support/world.ts';

let redis: PrivateStore;
let world: World;
let services: Services;

beforeAll(async () => {
  redis = await startPrivateRedis();
  world = await createWorld({ stores: { redis: redis.url } });
  services = await startProducerSide(world, REAL_JOBS);
});

afterAll(async () => {
  await stopProducerSide(services);
  await world.close();
  await redis.stop();
});

const payload = { userId: 'u', contentId: 'c', originalText: 'a b', editedText: 'b' };
const ask = { tenant: 'default', job: 'learning.process-edit', payload };

test('a queue Redis whose memory is full: enqueue is 503, a saved edit is accepted, and both go on once there is room', async () => {
  await services.redis.config('SET', 'maxmemory', '1mb');
  await expect(services.producer.enqueue(ask)).rejects.toMatchObject({ code: 'store-unavailable' });
  const { id, state } = await services.producer.enqueueKept(ask);
  expect(state).toBe('accepted');
  await services.redis.config('SET', 'maxmemory', '0');
  expect((await services.inspector.job('default', id)).state).toBe('accepted');
  expect(await services.producer.wakeOverdue(-1000)).toBe(1);
  expect((await services.inspector.job('default', id)).state).toBe('waiting');
  expect((await services.producer.enqueue(ask)).state).toBe('waiting');
});
