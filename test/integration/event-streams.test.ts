/** Event streams are kept short, and lose nothing that a group has yet to read. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EventStreams } from '../../src/events/event-streams.ts';
import { Publisher } from '../../src/events/publisher.ts';
import type { Removal } from '../../src/removal.ts';
import { type AgedQueue, makeAgedQueue } from '../support/aged-jobs.ts';
import { createWorld, type World } from '../support/world.ts';

const DAY_MS = 86_400_000;
const KEEP_MS = 30 * DAY_MS;

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

function trim({ dryRun = false, mostEvents = 10_000 } = {}): Promise<Removal> {
  const { redis, breaker } = here;
  const keyPrefix = world.config.KEY_PREFIX;
  const streams = new EventStreams({ redis, breaker, keyPrefix, keepMs: KEEP_MS, mostEvents });
  return streams.removeExpired({ dryRun, signal: new AbortController().signal });
}

const keyOf = (name: string) => world.config.KEY_PREFIX + name;

/** Add events that happened so many days ago, oldest first. */
async function fill(key: string, ...days: number[]): Promise<string[]> {
  const ids: string[] = [];
  const nowMs = Date.now();
  for (const day of days) ids.push((await here.redis.xadd(key, `${nowMs - day * DAY_MS}-*`, 'event', '{}')) ?? '');
  return ids;
}

const daysLeft = async (key: string) => {
  const entries = await here.redis.xrange(key, '-', '+');
  return entries.map(([id]) => Math.round((Date.now() - Number(id.split('-')[0])) / DAY_MS));
};

describe('events', () => {
  test('that are too old go from the streams of all tenants', async () => {
    await fill(keyOf('events'), 40, 31, 29, 1);
    await fill(keyOf('t:acme:events'), 50, 2);
    const removal = await trim();
    expect(removal.removed).toBe(3);
    expect(removal.bytes).toBeGreaterThan(30);
    expect(await daysLeft(keyOf('events'))).toEqual([29, 1]);
    expect(await daysLeft(keyOf('t:acme:events'))).toEqual([2]);
  });

  test('stay in a dry run, which says what would go', async () => {
    await fill(keyOf('events'), ...Array.from({ length: 700 }, () => 40), ...Array.from({ length: 700 }, () => 20));
    const would = await trim({ dryRun: true, mostEvents: 400 });
    expect(await here.redis.xlen(keyOf('events'))).toBe(1400);
    expect(would.removed).toBe(1000);
    expect(await trim({ mostEvents: 400 })).toEqual(would);
    expect(await here.redis.xlen(keyOf('events'))).toBe(400);
  });

  test('beyond the length go, oldest first', async () => {
    await fill(keyOf('events'), ...Array.from({ length: 1500 }, () => 2), 1);
    expect((await trim({ mostEvents: 1000 })).removed).toBe(501);
    expect(await here.redis.xlen(keyOf('events'))).toBe(1000);
    expect((await daysLeft(keyOf('events'))).at(-1)).toBe(1);
  });

  test('are capped by publishing itself: 30,000 of them leave about 10,000', async () => {
    const { redis, breaker } = here;
    const publisher = new Publisher({ redis, breaker, keyPrefix: world.config.KEY_PREFIX });
    const batch = Array.from({ length: 100 }, () => ({
      type: 'profile.updated' as const,
      data: { userId: 'ada', profileVersion: 1 },
    }));
    await Promise.all(Array.from({ length: 300 }, (_, at) => publisher.publish('default', `job-${at}`, batch)));
    const length = await redis.xlen(keyOf('events'));
    expect(length).toBeGreaterThanOrEqual(10_000);
    expect(length).toBeLessThan(10_200);
  });
});

describe('a consumer group', () => {
  test('that lags finds what it has not read, however old', async () => {
    const key = keyOf('events');
    const ids = await fill(key, 50, 40, 35, 1);
    await here.redis.xgroup('CREATE', key, 'processors', ids[1] ?? '');
    expect((await trim()).removed).toBe(2);
    expect(await daysLeft(key)).toEqual([35, 1]);
    const read = await here.redis.xreadgroup('GROUP', 'processors', 'one', 'COUNT', 10, 'STREAMS', key, '>');
    expect(JSON.stringify(read)).toContain(ids[2]);
  });

  test('finds what it has read and not acknowledged', async () => {
    const key = keyOf('events');
    const ids = await fill(key, 50, 40, 35, 1);
    await here.redis.xgroup('CREATE', key, 'processors', '0');
    await here.redis.xreadgroup('GROUP', 'processors', 'one', 'COUNT', 10, 'STREAMS', key, '>');
    await here.redis.xack(key, 'processors', ids[0] ?? '');
    expect((await trim()).removed).toBe(1);
    expect(await daysLeft(key)).toEqual([40, 35, 1]);
    await here.redis.xack(key, 'processors', ...ids);
    expect((await trim()).removed).toBe(2);
  });

  test('that has read nothing keeps everything but what is beyond the length', async () => {
    const key = keyOf('events');
    await fill(key, ...Array.from({ length: 600 }, () => 50));
    await here.redis.xgroup('CREATE', key, 'processors', '0');
    expect((await trim()).removed).toBe(0);
    expect((await trim({ mostEvents: 100 })).removed).toBe(500);
    expect(await here.redis.xlen(key)).toBe(100);
  });

  test('of several, the one that is furthest behind counts', async () => {
    const key = keyOf('events');
    const ids = await fill(key, 50, 40, 35);
    await here.redis.xgroup('CREATE', key, 'fast', ids[2] ?? '');
    await here.redis.xgroup('CREATE', key, 'slow', ids[0] ?? '');
    expect((await trim()).removed).toBe(1);
  });

  test('keeps its stream when that is empty; a stream that nobody reads goes', async () => {
    await fill(keyOf('events'), 50);
    await here.redis.xgroup('CREATE', keyOf('events'), 'processors', '$');
    await fill(keyOf('t:gone:events'), 50);
    expect((await trim()).removed).toBe(2);
    expect(await here.redis.exists(keyOf('events'))).toBe(1);
    expect(await here.redis.exists(keyOf('t:gone:events'))).toBe(0);
  });
});

test('keys that are no stream of events are left alone', async () => {
  const { redis } = here;
  await redis.set(keyOf('t:acme:events'), 'a string');
  const others = [keyOf('my-events'), keyOf('x:events'), keyOf('t:a:b:events')];
  for (const other of others) await fill(other, 50);
  expect(await trim()).toEqual({ removed: 0, bytes: 0 });
  expect(await redis.exists(keyOf('t:acme:events'), ...others)).toBe(4);
});
