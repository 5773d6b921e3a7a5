/** Consumers complete together what ends together, and lose nothing when they are cut off or close meanwhile. */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { Deadline } from '../../src/lifecycle.ts';
import { createLogger } from '../../src/logger.ts';
import { Queues } from '../../src/queue/queues.ts';
import { connectRedis } from '../../src/redis/connections.ts';
import { Consumer, type ConsumerOptions } from '../../workers/consumer.ts';
import { eventually } from '../support/millrace-process.ts';
import { type OwnRedis, startOwnRedis } from '../support/own-redis.ts';

const JOBS = 2400;
const logger = createLogger({ level: 'silent', role: 'test' });

let own: OwnRedis;
let redis: OwnRedis['redis'];

beforeAll(async () => {
  own = await startOwnRedis();
  redis = own.redis;
});

afterAll(() => own.stop());

function consumer(queue: string, process: ConsumerOptions['process']): Consumer {
  return new Consumer({
    queue,
    row: { concurrency: 20, pace: { windowMs: 0, rateMs: 0 } },
    connect: () => connectRedis({ url: own.store.url, role: 'worker', name: 'completion:worker', logger }),
    prefix: '{q}',
    keep: { completedHours: 24, deadDays: 1 },
    logger,
    process,
    running: new Map(),
    lost: () => {},
    backoff: () => 100,
  });
}

async function fill(queue: string): Promise<() => Promise<void>> {
  const queues = new Queues({ names: [queue], redis, prefix: '{q}', logger });
  const data = { tenant: 'default', payload: {}, requestedAt: Date.now() };
  const jobs = Array.from({ length: JOBS }, (_, place) => ({ name: 'a.b', data, opts: { jobId: `j-${place}` } }));
  await queues.get(queue).addBulk(jobs);
  return () => queues.stop(Deadline.in(1000));
}

const completed = (queue: string) =>
  eventually(
    () => redis.zcard(`{q}:${queue}:completed`),
    (count) => count === JOBS,
    25_000,
  );

test('takes far fewer calls than there are jobs', async () => {
  const stop = await fill('calls');
  await redis.config('RESETSTAT');
  const worker = consumer('calls', async () => ({ result: null }));
  worker.start();
  await completed('calls');
  const calls = /cmdstat_evalsha:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1];
  expect(Number(calls)).toBeLessThan(JOBS / 2);
  await worker.close(Deadline.in(5000));
  await stop();
});

test('completes every job, with its result, while connections are cut and a consumer closes', async () => {
  const stop = await fill('cut');
  let begun = 0;
  let closing: Promise<void> | undefined;
  const run: ConsumerOptions['process'] = async ({ id }) => {
    begun += 1;
    if (begun === JOBS / 4 || begun === JOBS / 3) await redis.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    if (begun === JOBS / 2) closing = first.close(Deadline.in(10_000));
    return { result: id };
  };
  const [first, second] = [consumer('cut', run), consumer('cut', run)];
  first.start();
  second.start();
  await completed('cut');
  await closing;
  await second.close(Deadline.in(5000));
  for (let place = 0; place < JOBS; place += 1) {
    const returned = await redis.hget(`{q}:cut:j-${place}`, 'returnvalue');
    expect(returned).toBe(JSON.stringify({ result: `j-${place}` }));
  }
  expect(await redis.llen('{q}:cut:active')).toBe(0);
  expect(await redis.keys('{q}:cut:*:lock')).toEqual([]);
  await stop();
});
