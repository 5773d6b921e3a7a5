/** Long values are packed in the cache Redis: smaller there, the same to every process, and loaded again when damaged. */

import { deflateSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Flows } from '../../src/flows.ts';
import { ARCHETYPES } from '../../src/profiles/archetypes.ts';
import { profile } from '../../src/resources.ts';
import { type CacheProcess, startCache } from '../support/cache-process.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let here: CacheProcess;
let there: CacheProcess;
let key: (name: string) => string;

beforeAll(async () => {
  world = await createWorld({ migrate: false });
  key = (name) => world.config.CACHE_KEY_PREFIX + name;
});

beforeEach(async () => {
  here = await startCache(world.config);
  there = await startCache(world.config);
  await here.redis.flushdb();
});

afterEach(async () => {
  await here.close();
  await there.close();
});

afterAll(() => world.close());

const ada = { tenant: 'default', id: 'ada' };
const never = () => Promise.reject(new Error('this must not be loaded'));
/** As long as a writer's profile is, and as alike in itself. */
const LONG = {
  userId: 'ada',
  name: 'Ада 🪶',
  features: Object.fromEntries(
    Array.from({ length: 40 }, (_, at) => [`feature${at}`, { mean: Math.sqrt(at), spread: 1 / (at + 1), count: at }]),
  ),
};
const MARK = 'ff7a';

/** Bytes of a key. */
const room = async (name: string) => Number(await here.redis.memory('USAGE', key(name)));
const beginning = async (name: string) => (await here.redis.getrangeBuffer(key(name), 0, 1)).toString('hex');

describe('a long value', () => {
  test('takes less room in Redis, and another process has it whole', async () => {
    await here.redis.set(key('plain'), JSON.stringify(LONG));
    await here.cache.remember('profile', ada, async () => LONG);
    expect(await beginning('profile:ada')).toBe(MARK);
    expect(await room('profile:ada')).toBeLessThan((await room('plain')) / 2);
    expect(await there.cache.remember('profile', ada, never)).toEqual({ value: LONG, outcome: 'hit' });
    expect(there.reads).toEqual(['hit']);
  });

  test('that belongs to no resource is packed too', async () => {
    await here.cache.remember('archetypes', ada, async () => ARCHETYPES);
    expect(await beginning('archetypes:list')).toBe(MARK);
    expect((await there.cache.remember('archetypes', ada, never)).value).toEqual(ARCHETYPES);
  });

  test('of set, getOrSet or a flow is packed too', async () => {
    await here.cache.set('default', 'set', LONG);
    await here.cache.getOrSet('default', 'fetched', async () => LONG);
    await new Flows({ cache: here.cache }).setState('default', 'f1', LONG);
    for (const name of ['value:set', 'value:fetched', 'flow:state:f1']) expect(await beginning(name)).toBe(MARK);
    expect(await there.cache.get('default', 'set')).toEqual(LONG);
    expect(await there.cache.get('default', 'fetched')).toEqual(LONG);
    expect(await new Flows({ cache: there.cache }).state('default', 'f1')).toEqual(LONG);
  });

  test('that stands there as plain JSON from before is read', async () => {
    await here.redis.set(key('profile:ada'), JSON.stringify(LONG));
    expect(await here.cache.remember('profile', ada, never)).toEqual({ value: LONG, outcome: 'hit' });
  });

  test('is forgotten like any other', async () => {
    await here.cache.remember('profile', ada, async () => LONG);
    await there.cache.invalidate([profile('default', 'ada')]);
    expect((await here.cache.remember('profile', ada, async () => 2)).outcome).toBe('miss');
  });

  test('is no JSON to whoever does not know of packing', async () => {
    await here.cache.remember('profile', ada, async () => LONG);
    const text = (await here.redis.get(key('profile:ada'))) ?? '';
    expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError);
  });
});

test('a short value stands there as JSON', async () => {
  await here.cache.remember('profile', ada, async () => ({ version: 1 }));
  await here.cache.set('default', 'greeting', { text: 'hello' });
  expect(await here.redis.mget(key('profile:ada'), key('value:greeting'))).toEqual([
    '{"version":1}',
    '{"text":"hello"}',
  ]);
});

describe('a packed value that was', () => {
  const DAMAGES: Readonly<Record<string, (stored: Buffer) => Buffer>> = {
    cut: (stored) => stored.subarray(0, stored.length - 100),
    'changed in the middle': (stored) => stored.fill(0x55, 200, 210),
    'emptied behind its mark': (stored) => stored.subarray(0, 2),
    'blown up': (stored) => Buffer.concat([stored.subarray(0, 2), deflateSync(Buffer.alloc(50_000_000))]),
  };

  test.each(Object.keys(DAMAGES))('%s is loaded again, and nobody notices', async (how) => {
    await here.cache.remember('profile', ada, async () => LONG);
    await here.cache.set('default', 'long', LONG);
    for (const name of ['profile:ada', 'value:long']) {
      const stored = (await here.redis.getBuffer(key(name))) ?? Buffer.alloc(0);
      await here.redis.set(key(name), DAMAGES[how]?.(stored) ?? '');
    }
    expect(await there.cache.remember('profile', ada, async () => LONG)).toEqual({ value: LONG, outcome: 'miss' });
    expect(await here.cache.remember('profile', ada, never)).toEqual({ value: LONG, outcome: 'hit' });
    expect(await there.cache.get('default', 'long')).toBeUndefined();
    expect(there.messages()).toEqual([]);
  });
});
