/** No process serves a value older than an invalidation that has returned. */

import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { cacheKeys } from '../../src/redis/keys.ts';
import { profile } from '../../src/resources.ts';
import { type CacheProcess, startCache } from '../support/cache-process.ts';
import { type Latch, latch } from '../support/latch.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let processes: CacheProcess[];

beforeAll(async () => {
  world = await createWorld({ migrate: false });
  processes = await Promise.all([1, 2, 3, 4].map(() => startCache(world.config)));
});

beforeEach(() => at(0).redis.flushdb());

afterAll(async () => {
  await Promise.all(processes.map((each) => each.close()));
  await world.close();
});

const ada = { tenant: 'default', id: 'ada' };
const resource = profile('default', 'ada');

function at(index: number): CacheProcess {
  const found = processes[index];
  if (found === undefined) throw new Error(`There is no process ${index}.`);
  return found;
}

/** A load that reads the source at once and answers when the latch opens: a slow query over an old snapshot. */
function slowLoad(version: number): { begun: Promise<void>; gate: Latch; load: () => Promise<number> } {
  const begun = latch();
  const gate = latch();
  const load = async () => {
    begun.open();
    await gate.opened;
    return version;
  };
  return { begun: begun.opened, gate, load };
}

describe('a load that began before an invalidation', () => {
  test('is not stored after it', async () => {
    const old = slowLoad(1);
    const reading = at(0).cache.remember('profile', ada, old.load);
    await old.begun;
    await at(1).cache.invalidate([resource]);
    old.gate.open();
    expect((await reading).value).toBe(1);
    expect(await at(2).cache.remember('profile', ada, async () => 2)).toEqual({ value: 2, outcome: 'miss' });
  });

  test('is not joined after it', async () => {
    const old = slowLoad(1);
    const reading = at(0).cache.remember('profile', ada, old.load);
    await old.begun;
    await at(1).cache.invalidate([resource]);
    expect(await at(0).cache.remember('profile', ada, async () => 2)).toEqual({ value: 2, outcome: 'miss' });
    old.gate.open();
    await reading;
    expect(await at(0).cache.remember('profile', ada, async () => 3)).toEqual({ value: 2, outcome: 'hit' });
  });

  test('is joined by readers who came before it', async () => {
    const old = slowLoad(1);
    const first = at(0).cache.remember('profile', ada, old.load);
    await old.begun;
    const second = at(0).cache.remember('profile', ada, async () => 99);
    await at(0).redis.ping();
    old.gate.open();
    expect([(await first).value, (await second).value]).toEqual([1, 1]);
  });

  test('is not stored when the generation has been evicted', async () => {
    const old = slowLoad(1);
    const reading = at(0).cache.remember('profile', ada, old.load);
    await old.begun;
    await at(1).cache.invalidate([resource]);
    await at(1).redis.del(world.config.CACHE_KEY_PREFIX + cacheKeys.generation(resource));
    old.gate.open();
    await reading;
    expect((await at(2).cache.remember('profile', ada, async () => 2)).value).toBe(2);
  });

  test('is not stored when the cache was emptied meanwhile', async () => {
    const old = slowLoad(1);
    const reading = at(0).cache.remember('profile', ada, old.load);
    await old.begun;
    await at(1).cache.invalidate([resource]);
    await at(1).redis.flushdb();
    old.gate.open();
    await reading;
    expect((await at(0).cache.remember('profile', ada, async () => 2)).value).toBe(2);
  });
});

describe('whatever the order of things', () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant('read' as const), process: fc.nat(1) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('finish' as const), load: fc.nat(5) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('write' as const), process: fc.nat(1) }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('evict' as const), what: fc.constantFrom('value', 'generation') }),
    },
  );

  test('a read that begins after an invalidation returned is at least as new', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        await at(0).redis.flushdb();
        let version = 0;
        let floor = 0;
        const open: Latch[] = [];
        const reads: Promise<{ value: number; floor: number }>[] = [];
        for (const now of steps) {
          if (now.do === 'read') {
            const load = async () => {
              const seen = version;
              const gate = latch();
              open.push(gate);
              await gate.opened;
              return seen;
            };
            const began = floor;
            reads.push(
              at(now.process)
                .cache.remember('profile', ada, load)
                .then(({ value }) => ({ value, floor: began })),
            );
            // On the reader's connection: once this is answered, the reader has its answer too.
            await at(now.process).redis.ping();
          } else if (now.do === 'finish') {
            open.splice(now.load, 1)[0]?.open();
          } else if (now.do === 'write') {
            version += 1;
            const written = version;
            await at(now.process).cache.invalidate([resource]);
            floor = written;
          } else {
            const name = now.what === 'value' ? cacheKeys.profile('default', 'ada') : cacheKeys.generation(resource);
            await at(0).redis.del(world.config.CACHE_KEY_PREFIX + name);
          }
        }
        const all = Promise.all(reads);
        let settled = false;
        const done = all.finally(() => {
          settled = true;
        });
        while (!settled) {
          for (const gate of open.splice(0)) gate.open();
          await at(0).redis.ping();
        }
        for (const read of await done) expect(read.value).toBeGreaterThanOrEqual(read.floor);
      }),
      { numRuns: 200 },
    );
  });

  test('four processes that read and write at once never see an older value', async () => {
    let version = 0;
    let floor = 0;
    let hits = 0;
    const tick = () => new Promise((resolve) => setImmediate(resolve));
    const load = async () => {
      await tick();
      const seen = version;
      for (let hops = Math.random() * 8; hops > 0; hops--) await tick();
      return seen;
    };
    const read = async ({ cache }: CacheProcess) => {
      const began = floor;
      const { value, outcome } = await cache.remember('profile', ada, load);
      if (outcome === 'hit') hits += 1;
      if (value < began) throw new Error(`read ${value} after ${began} had been announced (${outcome})`);
    };
    const write = async ({ cache }: CacheProcess) => {
      version += 1;
      const written = version;
      await tick();
      await cache.invalidate([resource]);
      floor = Math.max(floor, written);
    };
    const busy = async (process: CacheProcess) => {
      for (let round = 0; round < 1000; round++) {
        if (Math.random() < 0.1) await write(process);
        else await Promise.all([read(process), read(process), read(process)]);
      }
    };
    await Promise.all(processes.map(busy));
    expect(version).toBeGreaterThan(100);
    expect(hits).toBeGreaterThan(100);
  });
});
