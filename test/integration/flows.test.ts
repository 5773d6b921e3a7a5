import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Flows } from '../../src/flows.ts';
import { type CacheProcess, startCache } from '../support/cache-process.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let here: CacheProcess;
let flows: Flows;
let key: (name: string) => string;

beforeAll(async () => {
  world = await createWorld({ migrate: false });
  key = (name) => world.config.CACHE_KEY_PREFIX + name;
});

beforeEach(async () => {
  here = await startCache(world.config);
  flows = new Flows({ cache: here.cache, clock: () => Date.UTC(2026, 0, 2) });
});

afterEach(() => here.close());
afterAll(() => world.close());

describe('a flow', () => {
  test('keeps its state for 300 s and its summary for 3600 s', async () => {
    expect(await flows.setState('default', 'f1', { status: 'running', phase: 'mapping', progress: 45, rows: 9 })).toBe(
      true,
    );
    expect(await flows.state('default', 'f1')).toEqual({ status: 'running', phase: 'mapping', progress: 45, rows: 9 });
    expect(await flows.meta('default', 'f1')).toEqual({
      status: 'running',
      phase: 'mapping',
      progress: 45,
      updated_at: '2026-01-02T00:00:00.000Z',
    });
    expect(await here.redis.ttl(key('flow:state:f1'))).toBe(300);
    expect(await here.redis.ttl(key('flow:meta:f1'))).toBe(3600);
  });

  test('keeps its summary twelve times as long as its state', async () => {
    await flows.setState('default', 'f2', { status: 'running' }, 10);
    expect(await here.redis.ttl(key('flow:state:f2'))).toBe(10);
    expect(await here.redis.ttl(key('flow:meta:f2'))).toBe(120);
  });

  test('whose state is not JSON comes back as it stands', async () => {
    await here.redis.set(key('flow:state:f3'), '{"status":');
    expect(await flows.state('default', 'f3')).toBe('{"status":');
  });

  test('that nobody knows, or that is another tenant’s, is undefined', async () => {
    await flows.setState('acme', 'f4', { status: 'running' });
    expect(await flows.state('default', 'f4')).toBeUndefined();
    expect(await flows.meta('default', 'f4')).toBeUndefined();
  });
});
