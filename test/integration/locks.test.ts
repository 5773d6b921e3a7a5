import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { LEASE_MS, Locks, type WaitOutcome } from '../../src/locks.ts';
import { createLogger } from '../../src/logger.ts';
import { closeRedis, connectRedis, redisReady, type ScriptedRedis } from '../../src/redis/connections.ts';
import { queueKeys } from '../../src/redis/keys.ts';
import { profile, type Resource } from '../../src/resources.ts';
import { latch } from '../support/latch.ts';
import { type PrivateStore, startPrivateRedis } from '../support/stores.ts';
import { createWorld, type World } from '../support/world.ts';

const logger = createLogger({ level: 'silent', role: 'test' });
const ada = profile('default', 'ada');

interface Holder {
  readonly redis: ScriptedRedis;
  readonly locks: Locks;
  readonly waits: { kind: string; ms: number; outcome: WaitOutcome }[];
}

async function startHolder(url: string, keyPrefix: string): Promise<Holder> {
  const redis = connectRedis({ url, role: 'producer', name: 'locks', logger });
  await redisReady(redis, 5000);
  const waits: Holder['waits'] = [];
  const onWait = (kind: string, ms: number, outcome: WaitOutcome) => waits.push({ kind, ms, outcome });
  return { redis, locks: new Locks({ redis, logger, keyPrefix, onWait }), waits };
}

/** How late a timer may fire on a busy machine, in milliseconds. */
const LATE_MS = 250;

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

describe('locks', () => {
  let world: World;
  let here: Holder;
  let there: Holder;
  let key: (resource: Resource) => string;

  beforeAll(async () => {
    world = await createWorld({ migrate: false });
    key = (resource) => world.config.KEY_PREFIX + queueKeys.lock(resource);
  });

  beforeEach(async () => {
    here = await startHolder(world.config.REDIS_URL, world.config.KEY_PREFIX);
    there = await startHolder(world.config.REDIS_URL, world.config.KEY_PREFIX);
    await here.redis.flushdb();
  });

  afterEach(async () => {
    vi.restoreAllMocks();
    expect(await here.redis.dbsize()).toBe(0);
    await Promise.all([closeRedis(here.redis), closeRedis(there.redis)]);
  });

  afterAll(() => world.close());

  test('run the work, hand back its result and leave no key', async () => {
    expect(await here.locks.hold(ada, {}, async () => 'done')).toBe('done');
  });

  test.each([
    ['profile', 'profile:lock:ada', 5000],
    ['flow', 'lock:flow:ada', 30_000],
    ['import', 'lock:import:ada', 30_000],
    ['analysis', 'lock:analysis:ada', 30_000],
    ['sweep', 'lock:sweep:ada', 10_000],
  ] as const)('of kind %s stand at %s for %i ms', async (kind, name, ms) => {
    await here.locks.hold({ kind, tenant: 'default', id: 'ada' }, {}, async () => {
      const left = await there.redis.pttl(world.config.KEY_PREFIX + name);
      expect(left).toBeLessThanOrEqual(ms);
      expect(left).toBeGreaterThan(ms - 1000);
    });
    expect(LEASE_MS[kind]).toBe(ms);
  });

  test('let one holder in at a time, from two clients', async () => {
    let inside = 0;
    let most = 0;
    let done = 0;
    const work = async () => {
      inside += 1;
      most = Math.max(most, inside);
      await here.redis.ping();
      inside -= 1;
      done += 1;
    };
    const holders = Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? here : there));
    await Promise.all(holders.map(({ locks }) => locks.hold(ada, { waitMs: 20_000 }, work)));
    expect({ most, done }).toEqual({ most: 1, done: 60 });
  });

  test('of different resources and tenants do not meet', async () => {
    const gate = latch();
    const first = here.locks.hold(ada, {}, () => gate.opened);
    await there.locks.hold(profile('acme', 'ada'), { waitMs: 0 }, async () => undefined);
    await there.locks.hold(profile('default', 'grace'), { waitMs: 0 }, async () => undefined);
    gate.open();
    await first;
  });

  test('are renewed for as long as the work runs', async () => {
    const ttlMs = 250;
    await here.locks.hold(ada, { ttlMs }, async (signal) => {
      const startedMs = performance.now();
      while (performance.now() - startedMs < 4 * ttlMs) {
        expect(signal.aborted).toBe(false);
        await expect(there.locks.hold(ada, { waitMs: 50, ttlMs }, async () => 'in')).rejects.toMatchObject({
          code: 'resource-held',
        });
      }
    });
  });

  test('pass on the error of the work, unchanged, and are given back', async () => {
    const failure = new Error('the work failed');
    await expect(here.locks.hold(ada, {}, () => Promise.reject(failure))).rejects.toBe(failure);
    expect(await there.locks.hold(ada, { waitMs: 0 }, async () => 'in')).toBe('in');
  });

  test('that are held are refused after the wait, with a short time to come back', async () => {
    const gate = latch();
    const holding = here.locks.hold(ada, {}, () => gate.opened);
    await vi.waitUntil(() => here.waits.length === 1);
    const startedMs = performance.now();
    await expect(there.locks.hold(ada, {}, async () => 'in')).rejects.toMatchObject({
      code: 'resource-held',
      retryAfterSeconds: 1,
    });
    const tookMs = performance.now() - startedMs;
    expect(tookMs).toBeGreaterThanOrEqual(300);
    expect(tookMs).toBeLessThan(300 + 2 * LATE_MS);
    expect(there.waits).toEqual([{ kind: 'profile', ms: expect.any(Number), outcome: 'contended' }]);
    gate.open();
    await holding;
  });

  test('go to a waiter as soon as the holder is done', async () => {
    const gate = latch();
    const holding = here.locks.hold(ada, {}, () => gate.opened);
    await vi.waitUntil(() => here.waits.length === 1);
    const waiting = there.locks.hold(ada, { waitMs: 10_000 }, async () => performance.now());
    gate.open();
    await holding;
    const doneMs = performance.now();
    expect((await waiting) - doneMs).toBeLessThan(2 * LATE_MS);
    expect(there.waits[0]?.outcome).toBe('taken');
  });

  test('are not waited for once the caller gives up', async () => {
    const gate = latch();
    const holding = here.locks.hold(ada, {}, () => gate.opened);
    await vi.waitUntil(() => here.waits.length === 1);
    const caller = new AbortController();
    const reason = new Error('no longer needed');
    const waiting = there.locks.hold(ada, { waitMs: 60_000, signal: caller.signal }, async () => 'in');
    caller.abort(reason);
    const startedMs = performance.now();
    await expect(waiting).rejects.toBe(reason);
    expect(performance.now() - startedMs).toBeLessThan(LATE_MS);
    expect(there.waits[0]?.outcome).toBe('aborted');
    gate.open();
    await holding;
  });

  test('tell the work when the caller gives up', async () => {
    const caller = new AbortController();
    const reason = new Error('deadline');
    const holding = here.locks.hold(ada, { signal: caller.signal }, async (signal) => {
      caller.abort(reason);
      signal.throwIfAborted();
    });
    await expect(holding).rejects.toBe(reason);
  });

  test('that are stolen abort the work within their time, and stay the thief’s', async () => {
    const ttlMs = 600;
    const holding = here.locks.hold(ada, { ttlMs }, async (signal) => {
      const startedMs = performance.now();
      await there.redis.multi().del(key(ada)).set(key(ada), 'thief').exec();
      await aborted(signal);
      expect(performance.now() - startedMs).toBeLessThan(ttlMs);
      expect(signal.reason).toMatchObject({ code: 'lock-lost' });
      return 'ended well, too late';
    });
    await expect(holding).rejects.toMatchObject({ code: 'lock-lost' });
    expect(await there.redis.getdel(key(ada))).toBe('thief');
  });

  test('that were stolen unnoticed reject when the work ends, and stay the thief’s', async () => {
    const holding = here.locks.hold(ada, {}, async () => {
      await there.redis.set(key(ada), 'thief');
      return 'ended well';
    });
    await expect(holding).rejects.toMatchObject({ code: 'lock-lost' });
    expect(await there.redis.getdel(key(ada))).toBe('thief');
  });

  test('whose time passed while the process stood still reject, and are not renewed', async () => {
    const ttlMs = 200;
    const holding = here.locks.hold(ada, { ttlMs }, async () => {
      const untilMs = Date.now() + ttlMs + 50;
      while (Date.now() < untilMs);
      return 'ended well, too late';
    });
    await expect(holding).rejects.toMatchObject({ code: 'lock-lost' });
  });

  test('leave no timer behind', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => here.locks.hold(profile('default', `u${i}`), {}, () => here.redis.ping())),
    );
    expect(timers()).toBeLessThanOrEqual(before);
  });
});

describe('locks whose Redis goes away', () => {
  let store: PrivateStore;
  let here: Holder;

  beforeEach(async () => {
    store = await startPrivateRedis('queue');
    here = await startHolder(store.url, '');
  });

  afterEach(async () => {
    await closeRedis(here.redis, 0);
    await store.stop();
  });

  test('abort the work within their time when it is killed', async () => {
    const ttlMs = 900;
    const holding = here.locks.hold(ada, { ttlMs }, async (signal) => {
      const startedMs = performance.now();
      await store.kill();
      await aborted(signal);
      expect(performance.now() - startedMs).toBeLessThan(ttlMs + LATE_MS);
    });
    await expect(holding).rejects.toMatchObject({ code: 'lock-lost' });
  });

  test('abort the work within their time when it is frozen', async () => {
    const ttlMs = 600;
    const holding = here.locks.hold(ada, { ttlMs }, async (signal) => {
      const startedMs = performance.now();
      store.pause();
      await aborted(signal);
      expect(performance.now() - startedMs).toBeLessThan(ttlMs + LATE_MS);
    });
    await expect(holding).rejects.toMatchObject({ code: 'lock-lost' });
    store.resume();
  });

  test('outlive an outage that is shorter than they are', async () => {
    const result = await here.locks.hold(ada, { ttlMs: 5000 }, async (signal) => {
      await store.kill();
      const ready = new Promise((resolve) => here.redis.once('ready', resolve));
      await store.restart();
      await ready;
      expect(signal.aborted).toBe(false);
      return 'done';
    });
    expect(result).toBe('done');
  });

  test('are refused at once when it is gone', async () => {
    await store.kill();
    let ran = false;
    const startedMs = performance.now();
    const holding = here.locks.hold(ada, {}, async () => {
      ran = true;
    });
    await expect(holding).rejects.toMatchObject({ code: 'store-unavailable', retryAfterSeconds: 2 });
    expect(performance.now() - startedMs).toBeLessThan(2 * LATE_MS);
    expect(ran).toBe(false);
    expect(here.waits[0]?.outcome).toBe('unavailable');
  });

  test('are refused within 2 s when it is frozen, and what was taken meanwhile is given back', async () => {
    store.pause();
    const startedMs = performance.now();
    await expect(here.locks.hold(ada, {}, async () => 'in')).rejects.toMatchObject({ code: 'store-unavailable' });
    expect(performance.now() - startedMs).toBeLessThan(2000);
    store.resume();
    await vi.waitUntil(async () => (await here.redis.exists(queueKeys.lock(ada))) === 0, { timeout: 3000 });
    expect(await here.locks.hold(ada, { waitMs: 0 }, async () => 'in')).toBe('in');
  });
});
