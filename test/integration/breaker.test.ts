import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLogger } from '../../src/logger.ts';
import { Breaker } from '../../src/redis/breaker.ts';
import { closeRedis, connectRedis, redisReady, type ScriptedRedis } from '../../src/redis/connections.ts';
import { type PrivateStore, startPrivateRedis } from '../support/stores.ts';

let store: PrivateStore;
let client: ScriptedRedis;
let breaker: Breaker;
let lines: string[];

beforeEach(async () => {
  store = await startPrivateRedis('cache');
  lines = [];
  const logger = createLogger({ level: 'info', role: 'test', destination: { write: (line) => lines.push(line) } });
  client = connectRedis({ url: store.url, role: 'cache', name: 'breaker', logger });
  await redisReady(client, 5000);
  breaker = new Breaker({ name: 'cache', client, logger });
});

afterEach(async () => {
  await breaker.stop();
  await closeRedis(client, 0);
  await store.stop();
});

const get = () => breaker.run(() => client.get('key'));

function becomes(state: 'closed' | 'open'): Promise<void> {
  return new Promise((resolve) => {
    const off = breaker.onChange((now) => {
      if (now !== state) return;
      off();
      resolve();
    });
  });
}

describe('a breaker', () => {
  test('lets calls through and hands back what they give', async () => {
    await client.set('key', 'value');
    expect(await get()).toBe('value');
    expect(breaker.state).toBe('closed');
  });

  test('opens with the third consecutive failure', async () => {
    await store.kill();
    for (const state of ['closed', 'closed', 'open']) {
      await expect(get()).rejects.toMatchObject({ code: 'store-unavailable', retryAfterSeconds: 2 });
      expect(breaker.state === 'closed' ? 'closed' : 'open').toBe(state);
    }
  });

  test('opens with one timeout, and then refuses without asking Redis', async () => {
    store.pause();
    const opened = becomes('open');
    await expect(get()).rejects.toMatchObject({ code: 'store-unavailable' });
    await opened;
    let asked = 0;
    const startedMs = performance.now();
    for (let i = 0; i < 100; i++) {
      const call = breaker.run(async () => {
        asked += 1;
      });
      await expect(call).rejects.toMatchObject({ code: 'store-unavailable' });
    }
    expect(asked).toBe(0);
    expect(performance.now() - startedMs).toBeLessThan(200);
  });

  test.each([
    ['was frozen', async () => store.pause(), async () => store.resume()],
    ['was killed', async () => store.kill(), async () => store.restart()],
  ])('closes within 2 s when a Redis that %s is back', async (_how, away, back) => {
    await away();
    const opened = becomes('open');
    for (let i = 0; i < 3; i++) await get().catch(() => undefined);
    await opened;
    const closed = becomes('closed');
    await back();
    const startedMs = performance.now();
    await closed;
    expect(performance.now() - startedMs).toBeLessThan(2000);
    expect(await get()).toBeNull();
  });

  test('says once that Redis is away and once that it is back', async () => {
    store.pause();
    const opened = becomes('open');
    for (let i = 0; i < 5; i++) await get().catch(() => undefined);
    await opened;
    const closed = becomes('closed');
    store.resume();
    await closed;
    const said = lines.filter((line) => line.includes('calls '));
    expect(said.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      'Redis does not answer; calls fail at once',
      'Redis answers again; calls go through',
    ]);
  });

  test('passes on what Redis itself refuses, and does not open', async () => {
    await client.lpush('list', 'entry');
    for (let i = 0; i < 10; i++) {
      await expect(breaker.run(() => client.get('list'))).rejects.toThrow('WRONGTYPE');
    }
    expect(breaker.state).toBe('closed');
  });

  test('counts consecutive failures only', async () => {
    const broken = () => Promise.reject(new Error('Connection is closed.'));
    for (let i = 0; i < 4; i++) {
      await breaker.run(broken).catch(() => undefined);
      await breaker.run(broken).catch(() => undefined);
      await get();
    }
    expect(breaker.state).toBe('closed');
  });

  test('that is stopped while open asks no more', async () => {
    await store.kill();
    for (let i = 0; i < 3; i++) await get().catch(() => undefined);
    await breaker.stop();
    await breaker.stop();
    const ready = new Promise((resolve) => client.once('ready', resolve));
    await store.restart();
    await ready;
    expect(breaker.state).toBe('open');
  });
});
