/** How long finished jobs stay: by age, count and bytes, and what is never touched. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLogger } from '../../src/logger.ts';
import { FinishedJobs, type JobRetention } from '../../src/queue/finished-jobs.ts';
import type { Removal } from '../../src/removal.ts';
import { type AgedQueue, makeAgedQueue, QUEUE } from '../support/aged-jobs.ts';
import { createWorld, type World } from '../support/world.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const PLENTY: JobRetention = { completedMs: DAY_MS, deadMs: 14 * DAY_MS, mostJobs: 1e9, mostBytes: 1e12 };

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

async function clean(keep: Partial<JobRetention> = {}, dryRun = false): Promise<Removal> {
  const { redis, breaker, prefix } = here;
  const logger = createLogger({ level: 'silent', role: 'test' });
  const jobs = new FinishedJobs({ redis, breaker, prefix, keep: { ...PLENTY, ...keep }, logger });
  return jobs.removeExpired({ dryRun, signal: new AbortController().signal });
}

const has = async (id: string) => (await here.redis.exists(here.queue.toKey(id))) === 1;

describe('finished jobs', () => {
  test('go when they are too old, though no other job ends', async () => {
    const old = await here.end('completed', 25 * HOUR_MS);
    const dead = await here.end('failed', 15 * DAY_MS);
    const young = await here.end('completed', 23 * HOUR_MS);
    const youngDead = await here.end('failed', 13 * DAY_MS);
    const removal = await clean();
    expect(removal.removed).toBe(2);
    expect(removal.bytes).toBeGreaterThan(400);
    expect(await Promise.all([old, dead, young, youngDead].map(has))).toEqual([false, false, true, true]);
    expect(await here.queue.getJobCounts('completed', 'failed')).toEqual({ completed: 1, failed: 1 });
  });

  test('go with everything that belongs to them', async () => {
    const before = new Set(await here.keys());
    const id = await here.end('completed', 25 * HOUR_MS);
    await here.redis.rpush(here.queue.toKey(`${id}:logs`), 'a line');
    await clean();
    expect((await here.keys()).filter((key) => key.includes(id))).toEqual([]);
    expect(before.size).toBeLessThan(10);
  });

  test('stay in a dry run, which says what would go', async () => {
    for (let each = 0; each < 5; each++) await here.end('completed', 25 * HOUR_MS);
    for (let each = 0; each < 5; each++) await here.end('completed', HOUR_MS);
    const keys = await here.keys();
    const would = await clean({ mostJobs: 3 }, true);
    expect(await here.keys()).toEqual(keys);
    expect(would.removed).toBe(7);
    expect(await clean({ mostJobs: 3 })).toEqual(would);
  });

  test('beyond the count go oldest first, dead letters last', async () => {
    const dead = await here.end('failed', 3 * HOUR_MS);
    const ids: string[] = [];
    for (let hours = 9; hours > 1; hours--) ids.push(await here.end('completed', hours * HOUR_MS));
    expect((await clean({ mostJobs: 4 })).removed).toBe(5);
    expect(await Promise.all(ids.map(has))).toEqual([false, false, false, false, false, true, true, true]);
    expect(await has(dead)).toBe(true);
  });

  test('beyond the bytes go until the rest fits', async () => {
    const payload = 'x'.repeat(100_000);
    const ids: string[] = [];
    for (let hours = 6; hours > 1; hours--) ids.push(await here.end('completed', hours * HOUR_MS, { payload }));
    const removal = await clean({ mostBytes: 350_000 });
    expect(removal.removed).toBe(2);
    expect(removal.bytes).toBeGreaterThan(200_000);
    expect(await Promise.all(ids.map(has))).toEqual([false, false, true, true, true]);
  });

  test('whose id answers repeats stay for a day, whatever the limits say', async () => {
    const held = await here.end('completed', 23 * HOUR_MS, { once: 'a' });
    const past = await here.end('completed', 25 * HOUR_MS, { once: 'b' });
    const free = await here.end('completed', 23 * HOUR_MS);
    expect((await clean({ completedMs: 30 * DAY_MS, mostJobs: 0, mostBytes: 0 })).removed).toBe(2);
    expect(await Promise.all([held, past, free].map(has))).toEqual([true, false, false]);
  });

  test('that have just ended stay: their journal has not looked after them yet', async () => {
    const id = await here.end('completed', 1000);
    expect((await clean({ mostJobs: 0 })).removed).toBe(0);
    expect(await has(id)).toBe(true);
  });

  test('of a queue that no definition has any more go too', async () => {
    const former = await makeAgedQueue(world, 'former');
    await former.end('completed', 25 * HOUR_MS);
    await former.close();
    expect((await clean()).removed).toBe(1);
  });

  test('go in many batches as well', async () => {
    const { redis, queue } = here;
    const waiting = await here.add();
    const old = Date.now() - 2 * DAY_MS;
    for (let at = 0; at < 2500; at++) {
      const id = `${QUEUE}_${at.toString(16).padStart(32, '0')}`;
      await redis.hset(queue.toKey(id), 'name', 'work.do', 'finishedOn', old);
      await redis.zadd(queue.toKey('completed'), old + (at % 3), id);
    }
    expect((await clean({}, true)).removed).toBe(2500);
    expect((await clean()).removed).toBe(2500);
    expect(await redis.zcard(queue.toKey('completed'))).toBe(0);
    expect(await has(waiting)).toBe(true);
  });
});

describe('jobs that have not ended', () => {
  test('are never touched, however old they are', async () => {
    const running = [await here.add()];
    expect(await here.take()).toBe(running[0]);
    const ids = [...running, await here.add(), await here.add({ delayMs: DAY_MS }), await here.add({ priority: 3 })];
    for (const id of ids) await here.redis.hset(here.queue.toKey(id), 'timestamp', 1, 'processedOn', 1);
    expect(await clean({ completedMs: 0, deadMs: 0, mostJobs: 0, mostBytes: 0 })).toEqual({ removed: 0, bytes: 0 });
    expect(await Promise.all(ids.map(has))).toEqual(ids.map(() => true));
  });

  test('are not touched when they are retried while the dead letters are walked', async () => {
    const dead: string[] = [];
    for (let each = 0; each < 30; each++) dead.push(await here.end('failed', 20 * DAY_MS));
    const retry = async (id: string) => (await here.queue.getJob(id))?.retry('failed').catch(() => undefined);
    const [removal] = await Promise.all([clean(), ...dead.map(retry)]);
    const left = await here.redis.llen(here.queue.toKey('wait'));
    expect(removal.removed + left).toBe(30);
    for (const id of await here.redis.lrange(here.queue.toKey('wait'), 0, -1)) expect(await has(id)).toBe(true);
  });
});

describe('what is not as BullMQ made it', () => {
  test('a set of the wrong type keeps its queue from being cleaned, and no other', async () => {
    const other = await makeAgedQueue(world, 'other');
    await other.end('completed', 25 * HOUR_MS);
    await here.add();
    await here.redis.set(here.queue.toKey('completed'), 'a string');
    expect((await clean()).removed).toBe(1);
    expect(await here.redis.get(here.queue.toKey('completed'))).toBe('a string');
    await other.close();
  });

  test('an entry without a job goes from its set', async () => {
    await here.add();
    await here.redis.zadd(here.queue.toKey('completed'), 1, `${QUEUE}_${'0'.repeat(32)}`);
    expect(await clean()).toEqual({ removed: 1, bytes: 0 });
    expect(await here.redis.zcard(here.queue.toKey('completed'))).toBe(0);
  });

  test('keys of others under the prefix stay', async () => {
    await here.end('completed', 25 * HOUR_MS);
    await here.redis.hset(`${here.prefix}:${QUEUE}:somebody`, 'finishedOn', 1);
    await here.redis.set(`${here.prefix}:a:b:meta`, 'x');
    expect((await clean()).removed).toBe(1);
    expect(await here.redis.exists(`${here.prefix}:${QUEUE}:somebody`, `${here.prefix}:a:b:meta`)).toBe(2);
  });

  test('an empty Redis has nothing to remove', async () => {
    expect(await clean()).toEqual({ removed: 0, bytes: 0 });
  });
});

test('a run that is told to end keeps what it has done and does no more', async () => {
  for (let each = 0; each < 250; each++) await here.end('completed', 25 * HOUR_MS);
  const ending = new AbortController();
  const { redis, breaker, prefix } = here;
  const logger = createLogger({ level: 'silent', role: 'test' });
  const jobs = new FinishedJobs({ redis, breaker, prefix, keep: PLENTY, logger });
  const told = async () => ending.abort(new Error('enough'));
  await expect(jobs.removeExpired({ dryRun: false, signal: ending.signal, told })).rejects.toThrow('enough');
  expect(await redis.zcard(here.queue.toKey('completed'))).toBe(200);
  expect((await clean()).removed).toBe(200);
});
