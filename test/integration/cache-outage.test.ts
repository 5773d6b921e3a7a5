/** What the cache does while its Redis is away, and when it is back. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { profile } from '../../src/resources.ts';
import { type CacheProcess, startCache } from '../support/cache-process.ts';
import { latch } from '../support/latch.ts';
import { type PrivateStore, startPrivateRedis } from '../support/stores.ts';
import { createWorld, type World } from '../support/world.ts';

let store: PrivateStore;
let world: World;
let here: CacheProcess;
let there: CacheProcess;
let nowMs: number;

beforeEach(async () => {
  store = await startPrivateRedis('cache');
  world = await createWorld({ migrate: false, stores: { cache: store.url } });
  nowMs = 0;
  here = await startCache(world.config, () => nowMs);
  there = await startCache(world.config);
});

afterEach(async () => {
  await Promise.all([here.close(), there.close()]);
  await store.restart();
  await world.close();
  await store.stop();
});

const ada = { tenant: 'default', id: 'ada' };
const resource = profile('default', 'ada');
const never = () => Promise.reject(new Error('this must not be loaded'));

/** Take Redis away and let the breaker notice. */
async function goAway(): Promise<void> {
  store.pause();
  const opened = here.becomes('open');
  await here.cache.remember('profile', { tenant: 'default', id: 'scout' }, async () => 0);
  await opened;
}

describe('while the cache is away', () => {
  test('reads load from the source at once', async () => {
    await here.cache.remember('profile', ada, async () => 1);
    await goAway();
    const startedMs = performance.now();
    expect(await here.cache.remember('profile', ada, async () => 2)).toEqual({ value: 2, outcome: 'bypass' });
    expect(performance.now() - startedMs).toBeLessThan(250);
    expect(here.cache.status).toBe('memory-fallback');
  });

  test('parallel reads of a resource load each for themselves', async () => {
    await goAway();
    let loads = 0;
    const read = () => here.cache.remember('profile', ada, async () => ++loads);
    await Promise.all([read(), read(), read()]);
    expect(loads).toBe(3);
  });

  test('values of no resource stay in memory for 30 s', async () => {
    await goAway();
    const load = async () => nowMs;
    const read = () => here.cache.remember('archetypes', ada, load);
    expect(await read()).toEqual({ value: 0, outcome: 'bypass' });
    nowMs = 29_999;
    expect(await read()).toEqual({ value: 0, outcome: 'bypass' });
    nowMs = 30_000;
    expect(await read()).toEqual({ value: 30_000, outcome: 'bypass' });
  });

  test('values of no resource are loaded once by 100 parallel reads', async () => {
    await goAway();
    const gate = latch();
    let loads = 0;
    const read = () =>
      here.cache.getOrSet('default', 'rates', async () => {
        loads += 1;
        await gate.opened;
        return loads;
      });
    const reads = Array.from({ length: 100 }, read);
    gate.open();
    await Promise.all(reads);
    expect(loads).toBe(1);
  });

  test('the memory holds 100 values, the newest', async () => {
    await goAway();
    for (let i = 0; i <= 100; i++) await here.cache.getOrSet('default', `k${i}`, async () => i);
    expect(await here.cache.getOrSet('default', 'k1', never)).toBe(1);
    expect(await here.cache.getOrSet('default', 'k0', async () => 'loaded again')).toBe('loaded again');
  });

  test('plain values are neither kept nor found, and cannot be deleted', async () => {
    await here.cache.set('default', 'k', 1);
    await goAway();
    expect(await here.cache.set('default', 'k', 2)).toBe(false);
    expect(await here.cache.get('default', 'k')).toBeUndefined();
    await expect(here.cache.delete('default', 'k')).rejects.toMatchObject({ code: 'store-unavailable' });
  });

  test('stats say what was last seen', async () => {
    await here.cache.remember('profile', ada, async () => 1);
    await here.cache.stats();
    await goAway();
    expect(await here.cache.stats()).toEqual({ hits: 0, misses: 1, ratio: 0, status: 'memory-fallback' });
  });

  test('it says so once, and once that it is back', async () => {
    await goAway();
    await here.cache.remember('profile', ada, async () => 1);
    const closed = here.becomes('closed');
    store.resume();
    await closed;
    expect(here.messages().filter((message) => message.startsWith('the cache'))).toEqual([
      'the cache is away: reads go to the source',
      'the cache is back: reads use it again',
    ]);
    expect(here.cache.status).toBe('connected');
  });

  test('a process that starts serves from the source, and uses the cache when it comes', async () => {
    await store.kill();
    expect(await here.cache.remember('profile', ada, async () => 1)).toEqual({ value: 1, outcome: 'bypass' });
    const ready = new Promise((resolve) => here.redis.once('ready', resolve));
    await store.restart();
    await ready;
    await here.cache.remember('profile', ada, async () => 2);
    expect(await here.cache.remember('profile', ada, never)).toEqual({ value: 2, outcome: 'hit' });
  });
});

describe('an invalidation that cannot be delivered', () => {
  test('rejects within the timeout of the client, and at once when that is known', async () => {
    store.pause();
    const startedMs = performance.now();
    await expect(here.cache.invalidate([resource])).rejects.toMatchObject({ code: 'store-unavailable' });
    expect(performance.now() - startedMs).toBeLessThan(1000);
    const againMs = performance.now();
    await expect(here.cache.invalidate([resource])).rejects.toMatchObject({ code: 'store-unavailable' });
    expect(performance.now() - againMs).toBeLessThan(250);
  });

  test('rejects when Redis refuses it, and is then not trusted to have happened', async () => {
    await here.cache.remember('profile', ada, async () => 1);
    await there.redis.call('acl', 'setuser', 'default', '-unlink');
    await expect(here.cache.invalidate([resource])).rejects.toMatchObject({ code: 'store-unavailable' });
    expect(await here.cache.remember('profile', ada, async () => 2)).toEqual({ value: 2, outcome: 'bypass' });
    await there.redis.call('acl', 'setuser', 'default', '+unlink');
    expect(await here.cache.remember('profile', ada, async () => 2)).toEqual({ value: 2, outcome: 'miss' });
    expect(await here.cache.remember('profile', ada, never)).toEqual({ value: 2, outcome: 'hit' });
  });

  test('leaves nothing old to be read here once Redis is back', async () => {
    await here.cache.remember('profile', ada, async () => 1);
    await goAway();
    await expect(here.cache.invalidate([resource])).rejects.toMatchObject({ code: 'store-unavailable' });
    expect((await here.cache.remember('profile', ada, async () => 2)).value).toBe(2);
    const closed = here.becomes('closed');
    store.resume();
    await closed;
    expect((await here.cache.remember('profile', ada, async () => 2)).value).toBe(2);
    expect((await there.cache.remember('profile', ada, async () => 2)).value).toBe(2);
  });

  test('does not keep other resources from being cached', async () => {
    const grace = { tenant: 'default', id: 'grace' };
    await here.cache.remember('profile', grace, async () => 1);
    await there.redis.call('acl', 'setuser', 'default', '-unlink');
    await expect(here.cache.invalidate([resource])).rejects.toMatchObject({ code: 'store-unavailable' });
    expect(await here.cache.remember('profile', grace, never)).toEqual({ value: 1, outcome: 'hit' });
  });

  test('is made good by a later one', async () => {
    await goAway();
    await expect(here.cache.invalidate([resource])).rejects.toMatchObject({ code: 'store-unavailable' });
    const closed = here.becomes('closed');
    store.resume();
    await closed;
    await here.cache.invalidate([resource]);
    expect((await here.cache.remember('profile', ada, async () => 3)).outcome).toBe('miss');
  });
});

test('four processes read nothing old while the cache is frozen, killed and restarted', async () => {
  let version = 0;
  let floor = 0;
  let going = true;
  let bypasses = 0;
  let refused = 0;
  let announced = 0;
  const waiting: { count: number; go: () => void }[] = [];
  const announcements = (count: number) =>
    new Promise<void>((go) => {
      waiting.push({ count: announced + count, go });
    });
  const tick = () => new Promise((resolve) => setImmediate(resolve));
  const more = await Promise.all([startCache(world.config), startCache(world.config)]);
  const read = async ({ cache }: CacheProcess) => {
    while (going) {
      const began = floor;
      const { value, outcome } = await cache.remember('profile', ada, async () => {
        await tick();
        const seen = version;
        await tick();
        return seen;
      });
      if (outcome === 'bypass') bypasses += 1;
      if (value < began) throw new Error(`read ${value} after ${began} had been announced (${outcome})`);
      await tick();
    }
  };
  const write = async ({ cache }: CacheProcess) => {
    while (going) {
      version += 1;
      const written = version;
      await cache.invalidate([resource]).then(
        () => {
          floor = Math.max(floor, written);
          announced += 1;
          for (const { count, go } of waiting) if (announced >= count) go();
        },
        () => {
          refused += 1;
        },
      );
      for (let hops = 0; hops < 5; hops++) await tick();
    }
  };
  const everyone = [here, there, ...more];
  const all = Promise.all([...everyone.map(read), ...everyone.map(read), ...everyone.map(write)]);
  const disturb = async () => {
    for (const [away, back] of [
      [async () => store.pause(), async () => store.resume()],
      [() => store.kill(), () => store.restart()],
    ] as const) {
      await announcements(100);
      const opened = here.becomes('open');
      await away();
      await opened;
      const closed = here.becomes('closed');
      await back();
      await closed;
    }
    await announcements(100);
    going = false;
  };
  try {
    await Promise.all([all, disturb()]);
  } finally {
    going = false;
    await Promise.all(more.map((each) => each.close()));
  }
  expect(bypasses).toBeGreaterThan(0);
  expect(refused).toBeGreaterThan(0);
});
