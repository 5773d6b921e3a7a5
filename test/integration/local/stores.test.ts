/** The private stores that `npm start` and the tests run on. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Deadline } from '../../../src/lifecycle.ts';
import { startPostgres } from '../../../src/local/postgres.ts';
import { isRunning, signal } from '../../../src/local/processes.ts';
import { startRedis } from '../../../src/local/redis.ts';
import { redisProgram, startPrivateRedis, temporaryFolder } from '../../support/stores.ts';
import { createWorld } from '../../support/world.ts';

let folder = '';
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function settingsOf(url: string): Promise<Record<string, string>> {
  const redis = new Redis(url);
  const names = ['maxmemory', 'maxmemory-policy', 'appendonly', 'appendfsync', 'save', 'bind'];
  const pairs = await Promise.all(names.map(async (name) => (await redis.config('GET', name)) as [string, string]));
  redis.disconnect();
  return Object.fromEntries(pairs);
}

async function write(url: string, key: string, value: string): Promise<void> {
  const redis = new Redis(url);
  await redis.set(key, value);
  await redis.quit();
}

async function read(url: string, key: string): Promise<string | null> {
  const redis = new Redis(url);
  const value = await redis.get(key);
  await redis.quit();
  return value;
}

describe('a private Redis', () => {
  it('of the queue role evicts nothing and appends every second', async () => {
    const store = await startPrivateRedis('queue');
    expect(await settingsOf(store.url)).toEqual({
      maxmemory: '0',
      'maxmemory-policy': 'noeviction',
      appendonly: 'yes',
      appendfsync: 'everysec',
      save: '',
      bind: '127.0.0.1',
    });
    await store.stop();
  });

  it('of the cache role evicts what was used least and keeps nothing', async () => {
    expect(await settingsOf(inject('REDIS_CACHE_URL'))).toMatchObject({
      maxmemory: String(256 * 1024 * 1024),
      'maxmemory-policy': 'allkeys-lru',
      appendonly: 'no',
      save: '',
    });
  });

  it('keeps its data, port and password over a kill -9', async () => {
    const store = await startPrivateRedis('queue', ['appendfsync always']);
    await write(store.url, 'kept', 'yes');
    await store.kill();
    await store.restart();
    expect(await read(store.url, 'kept')).toBe('yes');
    await store.stop();
    expect(isRunning(store.pid())).toBe(false);
  });

  it('freezes and goes on', async () => {
    const store = await startPrivateRedis();
    store.pause();
    const asked = read(store.url, 'nothing');
    store.resume();
    expect(await asked).toBeNull();
    await store.stop();
  });

  it('replaces the one that a killed run left in its folder, even a frozen one', async () => {
    const options = {
      program: await redisProgram(),
      folder: join(folder, 'orphaned redis "é"'),
      kind: 'queue',
    } as const;
    const first = await startRedis(options);
    await write(first.url, 'kept', 'yes');
    const second = await startRedis(options);
    expect(isRunning(first.pid)).toBe(false);
    expect(second.url).toBe(first.url);
    expect(await read(second.url, 'kept')).toBe('yes');
    await second.stop(Deadline.in(5000));
  });

  it('asks for its password', async () => {
    const url = new URL(inject('REDIS_URL'));
    url.password = '';
    const redis = new Redis(url.href, { retryStrategy: null, enableReadyCheck: false });
    redis.on('error', () => undefined);
    await expect(redis.get('x')).rejects.toThrow('NOAUTH');
    redis.disconnect();
  });

  it('says what its log says when it does not start', async () => {
    const options = { program: await redisProgram(), folder: join(folder, 'bad'), kind: 'cache' } as const;
    await expect(startRedis({ ...options, settings: ['no-such-setting 1'] })).rejects.toThrow('no-such-setting');
  });
});

describe('a private PostgreSQL', () => {
  const quick = { settings: { fsync: 'off' }, initFlags: ['--no-sync'] };

  async function query(url: string, text: string): Promise<unknown[]> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query(text);
    await client.end();
    return rows;
  }

  it('replaces the one that a killed run left in its folder, and keeps the data', async () => {
    const options = { folder: join(folder, 'orphaned postgres'), ...quick };
    const first = await startPostgres(options);
    await query(first.url, 'CREATE TABLE kept AS SELECT 1 AS one');
    const second = await startPostgres(options);
    expect(isRunning(first.pid)).toBe(false);
    expect(await query(second.url, 'SELECT one FROM kept')).toEqual([{ one: 1 }]);

    signal(second.pid, 'SIGKILL');
    await second.ended;
    const third = await startPostgres(options);
    expect(third.url).toBe(first.url);
    expect(await query(third.url, 'SELECT one FROM kept')).toEqual([{ one: 1 }]);
    await third.stop(Deadline.in(5000));
    expect(isRunning(third.pid)).toBe(false);
  });
});

describe('a world', () => {
  it('is left empty, and fails when it is not', async () => {
    const world = await createWorld();
    await write(world.config.REDIS_URL, `${world.config.KEY_PREFIX}mine`, '1');
    await world.close();

    const leaky = await createWorld({ migrate: false });
    await write(leaky.config.REDIS_URL, 'nobody:s', '1');
    const redis = new Redis(leaky.config.REDIS_CACHE_URL, { connectionName: 'millrace:forgotten' });
    await redis.ping();
    const client = new pg.Client({ connectionString: leaky.config.DATABASE_URL });
    await client.connect();
    const closing = leaky.close();
    await expect(closing).rejects.toThrow('Redis key outside');
    await expect(closing).rejects.toThrow('Redis connection left open: millrace:forgotten');
    await expect(closing).rejects.toThrow('PostgreSQL connection left open');
    redis.disconnect();
    await client.end();
  });
});
