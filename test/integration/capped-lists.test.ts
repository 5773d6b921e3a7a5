/** What grows with use in Redis stays below its cap, however much is put in (docs/cleanup.md). */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import { AcceptedList } from '../../src/accepting/accepted-list.ts';
import { defineJob } from '../../src/queue/job.ts';
import { queueKeys } from '../../src/redis/keys.ts';
import { entry } from '../support/journal-folder.ts';
import { eventually } from '../support/millrace-process.ts';
import { type Probe, startProbe } from '../support/probe-worker.ts';
import { createWorld, type World } from '../support/world.ts';

const work = defineJob({
  name: 'probe.do',
  about: 'A probe.',
  payload: z.strictObject({}),
  result: z.null(),
  example: {},
  run: async () => null,
});

let world: World;
let probe: Probe;

beforeEach(async () => {
  world = await createWorld();
  probe = await startProbe(world, [work]);
});

afterEach(async () => {
  await probe.stop();
  await world.close();
});

test('12,000 jobs leave about 10,000 entries in the stream of their queue', async () => {
  const { queues, redis } = probe.services;
  const queue = queues.get('probe');
  const data = { tenant: 'default', payload: {}, requestedAt: Date.now(), timeoutMs: 1000 };
  for (let batch = 0; batch < 12; batch++) {
    await queue.addBulk(
      Array.from({ length: 1000 }, (_, at) => ({ name: work.name, data, opts: { jobId: `probe_${batch}-${at}` } })),
    );
  }
  await eventually(
    () => queue.getJobCountByTypes('wait', 'active'),
    (count) => count === 0,
    60_000,
  );
  // Four entries a job: far above the cap without one.
  expect(await redis.xlen(queue.toKey('events'))).toBeLessThan(10_500);
  expect(await redis.zcard(queue.toKey('marker'))).toBeLessThanOrEqual(2);
}, 90_000);

test('jobs of 300 names that nobody has defined are one row of the metrics', async () => {
  const { queues, redis } = probe.services;
  const data = { tenant: 'default', payload: {}, requestedAt: Date.now(), timeoutMs: 1000 };
  const queue = queues.get('probe');
  await queue.addBulk(
    Array.from({ length: 300 }, (_, at) => ({ name: `strange-${at}`, data, opts: { jobId: `probe_x${at}` } })),
  );
  const fields = async () => {
    const keys = await redis.keys(`${world.config.KEY_PREFIX}${queueKeys.metricTotals('*')}`);
    return Object.keys(Object.assign({}, ...(await Promise.all(keys.map((key) => redis.hgetall(key))))));
  };
  const told = await eventually(fields, (seen) => seen.some((field) => field.includes('unknown')), 20_000);
  expect(told.filter((field) => field.includes('strange'))).toEqual([]);
  expect(told.length).toBeLessThan(100);
}, 40_000);

test('120,000 jobs that wait in a journal are 100,000 in the list of it, which ends by itself', async () => {
  const { redis, redisBreaker: breaker } = probe.services;
  const keyPrefix = world.config.KEY_PREFIX;
  const list = new AcceptedList({ redis, breaker, keyPrefix });
  async function* pages() {
    for (let page = 0; page < 120; page++) {
      yield Array.from({ length: 1000 }, (_, at) => ({
        number: page * 1000 + at,
        entry: entry(page * 1000 + at),
        handed: false,
      }));
    }
  }
  await list.publish(pages());
  const key = keyPrefix + queueKeys.acceptedJobs();
  expect(await redis.hlen(key)).toBe(100_000);
  expect(await redis.ttl(key)).toBeGreaterThan(3500);
}, 60_000);
