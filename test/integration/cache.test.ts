import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { profile } from '../../src/resources.ts';
import { type CacheProcess, startCache } from '../support/cache-process.ts';
import { latch } from '../support/latch.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let here: CacheProcess;
let key: (name: string) => string;

beforeAll(async () => {
  world = await createWorld({
    migrate: false,
    environment: { PROFILE_CACHE_TTL_SECONDS: '1800', EVOLUTION_CACHE_TTL_SECONDS: '150' },
  });
  key = (name) => world.config.CACHE_KEY_PREFIX + name;
});

beforeEach(async () => {
  here = await startCache(world.config);
  await here.redis.flushdb();
});

afterEach(() => here.close());
afterAll(() => world.close());

const ada = { tenant: 'default', id: 'ada' };
const never = () => Promise.reject(new Error('this must not be loaded'));
const times = <T>(count: number, make: () => Promise<T>) => Promise.all(Array.from({ length: count }, make));

describe('remember', () => {
  test('loads what is not cached, and then has it', async () => {
    const loaded = await here.cache.remember('profile', ada, async () => ({ version: 1 }));
    expect(loaded).toEqual({ value: { version: 1 }, outcome: 'miss' });
    expect(await here.cache.remember('profile', ada, never)).toEqual({ value: { version: 1 }, outcome: 'hit' });
    expect(here.reads).toEqual(['miss', 'hit']);
  });

  test.each([
    ['profile', 'profile:ada', 1800],
    ['evolution', 'evolution:ada', 150],
    ['archetypes', 'archetypes:list', 86_400],
    ['characterPrompt', 'character:prompt:ada', 7200],
  ] as const)('keeps %s at %s for the configured time', async (policy, name, seconds) => {
    await here.cache.remember(policy, ada, async () => 1);
    expect(await here.redis.ttl(key(name))).toBe(seconds);
  });

  test('keeps a personality for an hour, under its character and the hash of what shapes it', async () => {
    const hash = 'f'.repeat(64);
    await here.cache.remember('personality', { tenant: 'default', id: `mira:${hash}` }, async () => 'kind');
    expect(await here.redis.ttl(key(`personality:mira:${hash}`))).toBe(3600);
  });

  test('keeps tenants apart', async () => {
    await here.cache.remember('profile', ada, async () => 'mine');
    const other = await here.cache.remember('profile', { tenant: 'acme', id: 'ada' }, async () => 'theirs');
    expect(other).toEqual({ value: 'theirs', outcome: 'miss' });
    expect(await here.redis.get(key('t:acme:profile:ada'))).toBe('"theirs"');
  });

  test('answers 100 parallel misses with one load', async () => {
    const gate = latch();
    let loads = 0;
    const reads = times(100, () =>
      here.cache.remember('profile', ada, async () => {
        loads += 1;
        await gate.opened;
        return 'value';
      }),
    );
    await here.redis.ping();
    gate.open();
    expect(new Set((await reads).map(({ value, outcome }) => `${value} ${outcome}`))).toEqual(new Set(['value miss']));
    expect(loads).toBe(1);
  });

  test('answers 100 parallel misses with one load when the load is quicker than Redis', async () => {
    let loads = 0;
    await times(100, () => here.cache.remember('profile', ada, async () => ++loads));
    expect(loads).toBe(1);
  });

  test('gives everyone who waits the error of the load, and does not cache it', async () => {
    const failing = async () => {
      throw new Error('the source said no');
    };
    const reads = await Promise.allSettled(
      Array.from({ length: 10 }, () => here.cache.remember('profile', ada, failing)),
    );
    expect(reads.every((read) => read.status === 'rejected')).toBe(true);
    expect(await here.cache.remember('profile', ada, async () => 2)).toEqual({ value: 2, outcome: 'miss' });
  });

  test('loads again when what is cached is not JSON', async () => {
    await here.cache.remember('profile', ada, async () => 1);
    await here.redis.set(key('profile:ada'), '{"version":');
    expect(await here.cache.remember('profile', ada, async () => 2)).toEqual({ value: 2, outcome: 'miss' });
    expect(await here.cache.remember('profile', ada, never)).toEqual({ value: 2, outcome: 'hit' });
  });

  test('goes on without the cache when it refuses, and says so', async () => {
    await here.redis.lpush(key('profile:ada'), 'not a string');
    expect(await here.cache.remember('profile', ada, async () => 3)).toEqual({ value: 3, outcome: 'bypass' });
    expect(here.messages()).toContain('the cache refused; going on without it');
  });
});

describe('invalidate', () => {
  test('forgets every value of the resource, and no other', async () => {
    const grace = { tenant: 'default', id: 'grace' };
    for (const policy of ['profile', 'evolution'] as const) await here.cache.remember(policy, ada, async () => 1);
    await here.cache.remember('profile', grace, async () => 1);
    await here.cache.invalidate([profile('default', 'ada')]);
    expect(await here.cache.remember('profile', ada, async () => 2)).toEqual({ value: 2, outcome: 'miss' });
    expect(await here.cache.remember('evolution', ada, async () => 2)).toEqual({ value: 2, outcome: 'miss' });
    expect(await here.cache.remember('profile', grace, never)).toEqual({ value: 1, outcome: 'hit' });
  });

  test('of nothing does nothing', async () => {
    await here.cache.invalidate([]);
    expect(await here.redis.dbsize()).toBe(0);
  });
});

describe('stats', () => {
  test('count 100 parallel reads exactly', async () => {
    await times(100, () => here.cache.remember('profile', ada, async () => 1));
    expect(await here.cache.stats()).toMatchObject({ hits: 0, misses: 100, ratio: 0 });
    await times(100, () => here.cache.remember('profile', ada, never));
    await times(100, () => here.cache.remember('archetypes', ada, async () => 1));
    expect(await here.cache.stats()).toMatchObject({ hits: 100, misses: 200, ratio: 1 / 3 });
    expect(await here.redis.mget(key('cache:hits'), key('cache:misses'))).toEqual(['100', '200']);
  });

  test('count the reads of every process', async () => {
    const there = await startCache(world.config);
    try {
      await here.cache.remember('profile', ada, async () => 1);
      await there.cache.remember('profile', ada, never);
      expect(await here.cache.stats()).toEqual({ hits: 1, misses: 1, ratio: 0.5, status: 'connected' });
    } finally {
      await there.close();
    }
  });
});

describe('plain values', () => {
  test('are stored as JSON for 300 s unless told', async () => {
    expect(await here.cache.set('default', 'greeting', { text: 'hello' })).toBe(true);
    expect(await here.cache.get('default', 'greeting')).toEqual({ text: 'hello' });
    expect(await here.redis.ttl(key('value:greeting'))).toBe(300);
    await here.cache.set('default', 'greeting', 'hi', 7);
    expect(await here.cache.get('default', 'greeting')).toBe('hi');
    expect(await here.redis.ttl(key('value:greeting'))).toBe(7);
  });

  test('that are not JSON come back as they stand', async () => {
    await here.redis.set(key('value:odd'), '{"half":');
    expect(await here.cache.get('default', 'odd')).toBe('{"half":');
  });

  test('of another tenant are others', async () => {
    await here.cache.set('acme', 'greeting', 'theirs');
    expect(await here.cache.get('default', 'greeting')).toBeUndefined();
  });

  test('can be deleted', async () => {
    await here.cache.set('default', 'greeting', 'hello');
    await here.cache.delete('default', 'greeting');
    expect(await here.cache.get('default', 'greeting')).toBeUndefined();
  });

  test('are fetched once by 100 parallel getOrSet', async () => {
    let fetches = 0;
    const values = await times(100, () => here.cache.getOrSet('default', 'rates', async () => ++fetches, 3600));
    expect(values).toEqual(Array(100).fill(1));
    expect(await here.redis.ttl(key('value:rates'))).toBe(3600);
  });

  test('cannot take the place of a value that has a resource', async () => {
    await here.cache.set('default', 'profile:ada', 'not a profile');
    expect(await here.cache.remember('profile', ada, async () => 1)).toEqual({ value: 1, outcome: 'miss' });
  });
});
