/** Finding keys by pattern: what is meant and nothing else, on every server, as long as somebody wants to know. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isAppError } from '../../src/errors.ts';
import { createLogger } from '../../src/logger.ts';
import { Breaker } from '../../src/redis/breaker.ts';
import { closeRedis, connectRedis, redisReady } from '../../src/redis/connections.ts';
import { literal, scanKeys } from '../../src/redis/key-scan.ts';
import { type OwnRedis, startOwnRedis } from '../support/own-redis.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';

const logger = createLogger({ level: 'silent', role: 'test' });

let own: OwnRedis;
let redis: OwnRedis['redis'];
let breaker: OwnRedis['breaker'];

beforeEach(async () => {
  own = await startOwnRedis();
  ({ redis, breaker } = own);
});

afterEach(() => own.stop());

/** Every key found; `step` is called after each page. */
async function find(pattern: string, signal = new AbortController().signal, step = async () => {}): Promise<string[]> {
  const found: string[] = [];
  for await (const keys of scanKeys({ redis, breaker }, pattern, signal)) {
    found.push(...keys);
    await step();
  }
  return found;
}

async function fill(count: number): Promise<void> {
  await redis.mset(...Array.from({ length: count }, (_, at) => [`cache:${at}`, 'x']).flat());
}

describe('a scan', () => {
  test('finds every key, and never asks KEYS', async () => {
    await fill(3000);
    await redis.set('other', 'x');
    await redis.config('RESETSTAT');
    expect(new Set(await find('cache:*')).size).toBe(3000);
    const stats = await redis.info('commandstats');
    expect(stats).not.toContain('cmdstat_keys:');
    expect(Number(/cmdstat_scan:calls=(\d+)/.exec(stats)?.[1])).toBeGreaterThan(5);
  });

  test('takes a text for itself, whatever signs it holds', async () => {
    const odd = 'a*b?[c]\\:{x}:';
    await redis.mset(`${odd}1`, 'x', 'aXbYc:{x}:1', 'x', 'a', 'x');
    expect(await find(`${literal(odd)}*`)).toEqual([`${odd}1`]);
  });

  test('ends with its signal', async () => {
    await fill(3000);
    const ending = new AbortController();
    const scan = find('cache:*', ending.signal, async () => ending.abort(new Error('enough')));
    await expect(scan).rejects.toThrow('enough');
  });

  test('is refused when Redis goes away in the middle', async () => {
    await fill(3000);
    const error = await find('cache:*', undefined, () => own.store.kill()).catch((cause: unknown) => cause);
    expect(isAppError(error, 'store-unavailable')).toBe(true);
    await own.store.restart();
  });
});

test('on a Cluster the keys of every master are found', async () => {
  const cluster = await startRedisCluster();
  const client = connectRedis({ url: cluster.url, role: 'producer', name: 'scan', logger });
  const around = new Breaker({ name: 'redis', client, logger });
  try {
    await redisReady(client, 10_000);
    for (let at = 0; at < 300; at++) await client.set(`cache:${at}`, 'x');
    await client.set('other', 'stays');
    const found = new Set<string>();
    const { signal } = new AbortController();
    for await (const keys of scanKeys({ redis: client, breaker: around }, 'cache:*', signal)) {
      for (const key of keys) found.add(key);
    }
    expect(found.size).toBe(300);
  } finally {
    await around.stop();
    await closeRedis(client);
    await cluster.stop();
  }
}, 60_000);
