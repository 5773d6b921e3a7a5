/** Removing many keys holds nobody up, and removes what is meant and nothing else. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isAppError } from '../../src/errors.ts';
import { createLogger } from '../../src/logger.ts';
import { Breaker } from '../../src/redis/breaker.ts';
import { closeRedis, connectRedis, redisReady, type ScriptedRedis } from '../../src/redis/connections.ts';
import { literal, removeByPattern, scanKeys } from '../../src/redis/key-removal.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { type PrivateStore, startPrivateRedis } from '../support/stores.ts';

const logger = createLogger({ level: 'silent', role: 'test' });
const KEYS = 100_000;

let store: PrivateStore;
let redis: ScriptedRedis;
let breaker: Breaker;

beforeEach(async () => {
  store = await startPrivateRedis();
  redis = connectRedis({ url: store.url, role: 'producer', name: 'removal', logger });
  breaker = new Breaker({ name: 'redis', client: redis, logger });
  await redisReady(redis, 5000);
});

afterEach(async () => {
  await breaker.stop();
  await closeRedis(redis);
  await store.stop();
});

const run = (pattern: string, more: object = {}) =>
  removeByPattern({ redis, breaker }, { pattern, dryRun: false, signal: new AbortController().signal, ...more });

async function fill(count: number, name = (at: number) => `cache:${at}`): Promise<void> {
  for (let at = 0; at < count; at += 5000) {
    const pairs = Array.from({ length: Math.min(5000, count - at) }, (_, each) => [name(at + each), 'x'.repeat(100)]);
    await redis.mset(...pairs.flat());
  }
}

const isOfOneKey = ([first = '', ...rest]: readonly string[]) =>
  (first === 'memory' && rest[0] === 'USAGE') || (first === 'unlink' && rest.length === 1);

/** Remove 100,000 keys; the commands that took 10 ms or more, and what was called how often. */
async function removeMany(): Promise<{ slow: string[][]; stats: string }> {
  await fill(KEYS);
  await redis.config('SET', 'slowlog-log-slower-than', 10_000);
  await redis.slowlog('RESET');
  await redis.config('RESETSTAT');
  const removal = await run('cache:*');
  const log = (await redis.slowlog('GET', 100)) as [number, number, number, string[]][];
  // Redis counts by the clock. A command on one small key that took so long stood still with a busy machine.
  const slow = log.map(([, , , words]) => words).filter((words) => !isOfOneKey(words));
  const stats = await redis.info('commandstats');
  expect(removal.removed).toBe(KEYS);
  expect(removal.bytes).toBeGreaterThan(KEYS * 100);
  expect(await redis.dbsize()).toBe(1);
  return { slow, stats };
}

test('100,000 keys go without one command of 10 ms, and without KEYS', async () => {
  await redis.set('other', 'stays');
  const rounds = [await removeMany()];
  // So may a step of SCAN, once in a while. What blocks by itself does so each time.
  while (rounds.length < 4 && rounds.at(-1)?.slow.length !== 0) rounds.push(await removeMany());
  const { slow, stats } = rounds.at(-1) ?? { slow: undefined, stats: '' };
  expect(slow).toEqual([]);
  expect(stats).not.toMatch(/cmdstat_(keys|del|flushdb|flushall):/);
  expect(Number(/cmdstat_unlink:calls=(\d+)/.exec(stats)?.[1])).toBe(KEYS);
  for (const command of ['scan', 'unlink', 'memory[|]usage']) {
    const perCall = new RegExp(`cmdstat_${command}:.*?usec_per_call=([\\d.]+)`).exec(stats)?.[1];
    expect(Number(perCall)).toBeLessThan(1000);
  }
}, 120_000);

describe('a removal', () => {
  test('in a dry run removes nothing and counts the same', async () => {
    await fill(1200);
    const would = await run('cache:*', { dryRun: true });
    expect(await redis.dbsize()).toBe(1200);
    expect(await run('cache:*')).toEqual(would);
    expect(await redis.dbsize()).toBe(0);
  });

  test('takes a text for itself, whatever signs it holds', async () => {
    const odd = 'a*b?[c]\\:{x}:';
    await redis.mset(`${odd}1`, 'x', 'aXbYc:{x}:1', 'x', 'a', 'x');
    expect((await run(`${literal(odd)}*`)).removed).toBe(1);
    expect(await redis.dbsize()).toBe(2);
  });

  test('leaves what is not meant', async () => {
    await fill(100);
    expect((await run('cache:*', { accepts: (key: string) => key.endsWith('7') })).removed).toBe(10);
    expect(await redis.dbsize()).toBe(90);
  });

  test('takes keys of every type, also one that holds very much', async () => {
    await redis.rpush('cache:list', ...Array.from({ length: 50_000 }, (_, at) => at));
    await redis.hset('cache:hash', 'a', 1);
    await redis.xadd('cache:stream', '*', 'a', 1);
    expect((await run('cache:*')).removed).toBe(3);
  });

  test('ends with its signal, and the next one goes on', async () => {
    await fill(3000);
    const ending = new AbortController();
    const told = async () => ending.abort(new Error('enough'));
    await expect(run('cache:*', { signal: ending.signal, told })).rejects.toThrow('enough');
    const left = await redis.dbsize();
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(3000);
    expect((await run('cache:*')).removed).toBe(left);
  });

  test('is refused when Redis goes away in the middle', async () => {
    await fill(3000);
    const told = () => store.kill();
    const error = await run('cache:*', { told }).catch((cause: unknown) => cause);
    expect(isAppError(error, 'store-unavailable')).toBe(true);
    await store.restart();
  });
});

test('on a Cluster the keys of every master go', async () => {
  const cluster = await startRedisCluster();
  const client = connectRedis({ url: cluster.url, role: 'producer', name: 'removal', logger });
  const around = new Breaker({ name: 'redis', client, logger });
  try {
    await redisReady(client, 10_000);
    for (let at = 0; at < 300; at++) await client.set(`cache:${at}`, 'x');
    await client.set('other', 'stays');
    const places = new Set<unknown>();
    for await (const { server } of scanKeys({ redis: client, breaker: around }, 'cache:*')) places.add(server);
    expect(places.size).toBe(3);
    const { signal } = new AbortController();
    const removal = await removeByPattern(
      { redis: client, breaker: around },
      { pattern: 'cache:*', dryRun: false, signal },
    );
    expect(removal.removed).toBe(300);
    expect(await client.get('other')).toBe('stays');
  } finally {
    await around.stop();
    await closeRedis(client);
    await cluster.stop();
  }
}, 60_000);
