/** Jobs that stand in no list of their queue: found, told apart from live ones, removed or brought back. */

import { DelayedError, Worker } from 'bullmq';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLogger } from '../../src/logger.ts';
import { jobIdFor } from '../../src/queue/envelope.ts';
import { StrayJobs, type StrayRemoval } from '../../src/queue/stray-jobs.ts';
import { closeRedis, connectRedis } from '../../src/redis/connections.ts';
import { type AgedQueue, makeAgedQueue, QUEUE } from '../support/aged-jobs.ts';
import { createWorld, type World } from '../support/world.ts';

const DAY_MS = 86_400_000;

let world: World;
let here: AgedQueue;

beforeEach(async () => {
  world = await createWorld({ migrate: false });
  here = await makeAgedQueue(world);
});

afterEach(async () => {
  await here.close();
  await world.close();
});

/** Look for strays; a job may be one the moment after something happened to it. */
function settle({ dryRun = false, quietMs = -1000, againMs = 10 } = {}): Promise<StrayRemoval> {
  const { redis, breaker, prefix } = here;
  const strays = new StrayJobs({ redis, breaker, prefix, quietMs, againMs });
  return strays.removeExpired({ dryRun, signal: new AbortController().signal });
}

const key = (name: string) => here.queue.toKey(name);
const has = async (id: string) => (await here.redis.exists(key(id))) === 1;

/** A job that has ended and whose set has lost it. */
async function finishedStray(): Promise<string> {
  const id = await here.end('completed', DAY_MS);
  await here.redis.zrem(key('completed'), id);
  return id;
}

describe('a stray', () => {
  test('that has ended goes, with everything that belongs to it', async () => {
    const id = await finishedStray();
    await here.redis.rpush(key(`${id}:logs`), 'a line');
    const removal = await settle();
    expect(removal).toMatchObject({ removed: 1, requeued: 0 });
    expect(removal.bytes).toBeGreaterThan(200);
    expect((await here.keys()).filter((each) => each.includes(id))).toEqual([]);
  });

  test('that is only the log of a job that is gone goes', async () => {
    const id = await finishedStray();
    await here.redis.del(key(id));
    await here.redis.rpush(key(`${id}:logs`), 'a line');
    expect(await settle()).toMatchObject({ removed: 1, requeued: 0 });
    expect(await here.redis.exists(key(`${id}:logs`))).toBe(0);
  });

  test('that lost its body goes: nobody could run it', async () => {
    const id = await here.add();
    await here.redis.del(key('wait'));
    await here.redis.hdel(key(id), 'data');
    expect(await settle()).toMatchObject({ removed: 1, requeued: 0 });
    expect(await has(id)).toBe(false);
  });

  test('that was never done goes back to the front of its queue, and its worker is told to ask the ledger', async () => {
    const id = await here.add();
    await here.redis.del(key('wait'));
    await here.add();
    expect(await settle()).toMatchObject({ removed: 0, requeued: 1 });
    expect(await here.take()).toBe(id);
    expect((await here.queue.getJob(id))?.data).toMatchObject({ recheck: true, tenant: 'default' });
  });

  test('whose active list was deleted under it runs once more, not twice', async () => {
    const id = await here.add();
    expect(await here.take()).toBe(id);
    await here.redis.del(key('active'), key('stalled'));
    expect(await settle()).toMatchObject({ removed: 0, requeued: 0 });
    // Its worker dies: the lock runs out.
    await here.redis.del(key(`${id}:lock`));
    expect(await settle()).toMatchObject({ removed: 0, requeued: 1 });
    expect(await settle()).toMatchObject({ removed: 0, requeued: 0 });
    expect(await here.take()).toBe(id);
    expect(await here.redis.llen(key('wait'))).toBe(0);
  });

  test('that was delayed waits for its time again', async () => {
    const id = await here.add({ delayMs: DAY_MS });
    await here.redis.del(key('delayed'));
    expect(await settle()).toMatchObject({ requeued: 1 });
    expect(await here.queue.getJobState(id)).toBe('delayed');
    const [score] = (await here.redis.zrange(key('delayed'), '0', '0', 'WITHSCORES')).slice(1);
    expect(Number(score) / 0x1000).toBeGreaterThan(Date.now() + DAY_MS - 60_000);
  });

  test('is left alone for an hour after anything happened to it', async () => {
    const id = await here.add();
    await here.redis.del(key('wait'));
    expect(await settle({ quietMs: 3_600_000 })).toMatchObject({ removed: 0, requeued: 0 });
    await here.redis.hset(key(id), 'timestamp', Date.now() - 3_700_000);
    expect(await settle({ quietMs: 3_600_000 })).toMatchObject({ removed: 0, requeued: 1 });
  });

  test('stays in a dry run, which says what would become of it', async () => {
    const lost = await here.add();
    await here.redis.del(key('wait'));
    const finished = await finishedStray();
    const keys = await here.keys();
    const would = await settle({ dryRun: true });
    expect(would).toMatchObject({ removed: 1, requeued: 1 });
    expect(await here.keys()).toEqual(keys);
    expect(await settle()).toEqual(would);
    expect([await has(lost), await has(finished)]).toEqual([true, false]);
  });
});

describe('what stands somewhere', () => {
  test('is never touched: waiting, running, delayed, with a priority, completed or dead', async () => {
    const ids = [
      await here.end('completed', 0),
      await here.end('failed', 0),
      await here.add(),
      await here.add({ delayMs: DAY_MS }),
      await here.add({ priority: 3 }),
    ];
    await here.take();
    await here.add();
    const keys = await here.keys();
    expect(await settle()).toEqual({ removed: 0, requeued: 0, bytes: 0 });
    expect(await here.keys()).toEqual(keys);
    expect(await Promise.all(ids.map(has))).toEqual(ids.map(() => true));
  });

  test('is found in a long line as well', async () => {
    await here.queue.addBulk(
      Array.from({ length: 2500 }, (_, at) => {
        const jobId = jobIdFor('default', 'work.do', { kind: 'once', value: String(at) }, 1);
        return {
          name: 'work.do',
          data: { tenant: 'default', payload: 1, requestedAt: 1, timeoutMs: 1 },
          opts: { jobId },
        };
      }),
    );
    const lost = await here.redis.lindex(key('wait'), 1234);
    await here.redis.lrem(key('wait'), 1, lost ?? '');
    expect(await settle()).toMatchObject({ removed: 0, requeued: 1 });
    expect(await here.redis.llen(key('wait'))).toBe(2500);
  });

  test('is not a stray of ours when its name is not ours, or its type is wrong', async () => {
    const { redis } = here;
    const wrong = `${QUEUE}_${'a'.repeat(32)}`;
    const others = [key('somebody'), key('my_own'), key(`other_${'b'.repeat(32)}`), key(`${QUEUE}_123`)];
    for (const other of others) await redis.hset(other, 'finishedOn', 1);
    await redis.set(key(wrong), 'a string');
    expect(await settle()).toEqual({ removed: 0, requeued: 0, bytes: 0 });
    expect(await redis.exists(...others, key(wrong))).toBe(5);
  });

  test('stays when a set of the queue has the wrong type: nobody can say that it stands nowhere', async () => {
    const id = await finishedStray();
    await here.redis.set(key('delayed'), 'a string');
    expect(await settle()).toMatchObject({ removed: 0 });
    expect(await has(id)).toBe(true);
  });
});

describe('a stray that comes home after it was seen twice', () => {
  const HOMES: readonly (readonly [string, (id: string) => Promise<unknown>])[] = [
    ['wait', (id) => here.redis.lpush(key('wait'), id)],
    ['active', (id) => here.redis.lpush(key('active'), id)],
    ['completed', (id) => here.redis.zadd(key('completed'), Date.now(), id)],
    ['failed', (id) => here.redis.zadd(key('failed'), Date.now(), id)],
    ['delayed', (id) => here.redis.zadd(key('delayed'), Date.now(), id)],
    ['prioritized', (id) => here.redis.zadd(key('prioritized'), 1, id)],
    ['stalled', (id) => here.redis.sadd(key('stalled'), id)],
    ['a lock', (id) => here.redis.set(key(`${id}:lock`), 'token')],
  ];

  test.each(HOMES)('to %s stays', async (_home, comeHome) => {
    const strays = [await finishedStray(), await finishedStray()];
    const { redis, breaker, prefix } = here;
    // Both were seen twice. When the first is gone, the other comes home.
    const told = async () => {
      for (const id of strays) if (await has(id)) await comeHome(id);
    };
    const jobs = new StrayJobs({ redis, breaker, prefix, quietMs: -1000, againMs: 10 });
    const removal = await jobs.removeExpired({ dryRun: false, signal: new AbortController().signal, told });
    expect(removal).toMatchObject({ removed: 1, requeued: 0 });
    expect((await Promise.all(strays.map(has))).filter((there) => there)).toHaveLength(1);
  });
});

test('no live job is ever taken, while jobs are added, run, fail, wait and end all the time', async () => {
  const { config } = world;
  const logger = createLogger({ level: 'silent', role: 'test' });
  const strays: string[] = [];
  for (let each = 0; each < 20; each++) strays.push(await finishedStray());
  const connection = connectRedis({ url: config.REDIS_URL, role: 'worker', name: 'aged:busy', logger });
  const ran = new Map<string, number>();
  const worker = new Worker(
    QUEUE,
    async (job, token) => {
      const times = (ran.get(job.id ?? '') ?? 0) + 1;
      ran.set(job.id ?? '', times);
      if (times === 1 && Math.random() < 0.2) {
        await job.moveToDelayed(Date.now() + 5, token);
        throw new DelayedError();
      }
      if (times < 3 && Math.random() < 0.2) throw new Error('again');
    },
    { connection, prefix: config.QUEUE_PREFIX, concurrency: 20 },
  );
  const added: string[] = [];
  let adding = true;
  const add = async () => {
    while (added.length < 3000) {
      const batch = Array.from({ length: 50 }, () => jobIdFor('default', 'work.do', undefined, Date.now()));
      added.push(...batch);
      await here.queue.addBulk(
        batch.map((jobId, at) => ({
          name: 'work.do',
          data: { tenant: 'default', payload: 1, requestedAt: Date.now(), timeoutMs: 1000 },
          opts: {
            jobId,
            attempts: 5,
            backoff: { type: 'fixed', delay: 5 },
            ...(at % 5 === 1 && { delay: 20 }),
            ...(at % 5 === 2 && { priority: at }),
          },
        })),
      );
    }
    adding = false;
  };
  const sum = { removed: 0, requeued: 0, runs: 0 };
  const clean = async () => {
    do {
      const { removed, requeued } = await settle({ againMs: 1 });
      sum.removed += removed;
      sum.requeued += requeued;
      sum.runs += 1;
    } while (adding || (await here.queue.getJobCountByTypes('wait', 'active', 'delayed', 'prioritized')) > 0);
  };
  try {
    await Promise.all([add(), clean(), clean()]);
    expect(sum).toMatchObject({ removed: 20, requeued: 0 });
    expect(sum.runs).toBeGreaterThan(5);
    const counts = await here.queue.getJobCounts('completed', 'failed');
    expect((counts.completed ?? 0) + (counts.failed ?? 0)).toBe(3000);
    expect(ran.size).toBe(3000);
    const missing = await Promise.all(added.map(has));
    expect(missing.filter((there) => !there)).toEqual([]);
  } finally {
    await worker.close();
    await closeRedis(connection);
  }
}, 60_000);
