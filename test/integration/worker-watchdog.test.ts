import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { Deadline } from '../../src/lifecycle.ts';
import { createLogger } from '../../src/logger.ts';
import { Catalog } from '../../src/queue/catalog.ts';
import { defineJob } from '../../src/queue/job.ts';
import type { MillraceQueue } from '../../src/queue/queues.ts';
import { Services } from '../../src/services.ts';
import { Watchdog, type Watched } from '../../workers/watchdog.ts';
import { eventually } from '../support/millrace-process.ts';
import { type PrivateStore, startPrivateRedis } from '../support/stores.ts';
import { createWorld, type World } from '../support/world.ts';

const ENOUGH_LOOKS = 7;
const definition = defineJob({
  name: 'probe.watched',
  about: 'A probe.',
  payload: z.strictObject({}),
  result: z.null(),
  example: {},
  run: async () => null,
});

let redis: PrivateStore;
let world: World;
let services: Services;
let queue: MillraceQueue;
let pool: Watched & { running: number; taken: number; ended: boolean; rebuilt: number };
let watchdog: Watchdog;

beforeAll(async () => {
  redis = await startPrivateRedis();
  world = await createWorld({ stores: { redis: redis.url } });
  const logger = createLogger({ level: 'silent', role: 'test' });
  services = new Services({ config: world.config, catalog: new Catalog([definition]), logger, role: 'test' });
  await services.start();
  queue = services.queues.get('probe');
});

beforeEach(async () => {
  await queue.obliterate({ force: true });
  pool = {
    queue: 'probe',
    running: 0,
    taken: 0,
    ended: false,
    rebuilt: 0,
    checkConnection: () => {},
    rebuild: () => {
      pool.rebuilt += 1;
    },
  };
  const { queues, redis: client, redisBreaker: breaker, logger } = services;
  watchdog = new Watchdog({ pools: [pool], queues, redis: client, breaker, logger });
});

afterAll(async () => {
  await services.stop(Deadline.in(5000));
  await world.close();
  await redis.stop();
});

const envelope = { tenant: 'default', payload: {}, requestedAt: 1, timeoutMs: 1000 };
const add = (options: object = {}) => queue.add(definition.name, envelope, options);

async function look(times: number, between = () => {}): Promise<void> {
  for (let each = 0; each < times; each++) {
    await watchdog.look();
    between();
  }
}

describe('a pool that takes nothing', () => {
  test.each([
    ['waiting', {}],
    ['waiting with a priority', { priority: 5 }],
    ['delayed and overdue', { delay: 1, timestamp: 1 }],
  ])('though a job is %s is rebuilt at the seventh look, and again seven looks later', async (_what, options) => {
    await add(options);
    await look(ENOUGH_LOOKS - 1);
    expect(pool.rebuilt).toBe(0);
    await look(1);
    expect(pool.rebuilt).toBe(1);
    await look(ENOUGH_LOOKS);
    expect(pool.rebuilt).toBe(2);
  });

  test('because its loop has ended is rebuilt at the next look', async () => {
    pool.ended = true;
    await look(1);
    expect(pool.rebuilt).toBe(1);
  });

  test('because nothing waits is left alone', async () => {
    await look(ENOUGH_LOOKS * 2);
    expect(pool.rebuilt).toBe(0);
  });

  test('because what waits is delayed is left alone', async () => {
    await add({ delay: 60_000 });
    await look(ENOUGH_LOOKS * 2);
    expect(pool.rebuilt).toBe(0);
  });

  test('because its queue is paused is left alone, and counts anew once it is resumed', async () => {
    await add();
    await look(ENOUGH_LOOKS - 1);
    await queue.pause();
    await look(ENOUGH_LOOKS * 2);
    await queue.resume();
    await look(ENOUGH_LOOKS - 1);
    expect(pool.rebuilt).toBe(0);
  });

  test('because its queue is limited is left alone', async () => {
    await add();
    await queue.rateLimit(60_000);
    await look(ENOUGH_LOOKS * 2);
    expect(pool.rebuilt).toBe(0);
  });

  test('because as many run elsewhere as may run anywhere is left alone', async () => {
    await add();
    await queue.setGlobalConcurrency(1);
    await services.redis.lpush(queue.toKey('active'), 'elsewhere');
    await look(ENOUGH_LOOKS * 2);
    expect(pool.rebuilt).toBe(0);
    await services.redis.del(queue.toKey('active'));
    await queue.removeGlobalConcurrency();
  });

  test('while Redis is away is left alone', async () => {
    await add();
    await look(ENOUGH_LOOKS - 1);
    await redis.kill();
    await look(ENOUGH_LOOKS);
    expect(pool.rebuilt).toBe(0);
    await redis.restart();
    await eventually(
      async () => services.redisBreaker.state,
      (state) => state === 'closed',
      10_000,
    );
  });
});

describe('a pool that works while jobs wait', () => {
  test('on one long job is left alone', async () => {
    await add();
    pool.running = 1;
    await look(ENOUGH_LOOKS * 2);
    expect(pool.rebuilt).toBe(0);
  });

  test('on short ones, none of which runs just when it is looked at, is left alone', async () => {
    await add();
    await look(ENOUGH_LOOKS * 2, () => {
      pool.taken += 1;
    });
    expect(pool.rebuilt).toBe(0);
  });
});
