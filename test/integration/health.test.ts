/** Health, readiness and the store check, on stores of their own that are killed, frozen and set up wrongly. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectDatabase } from '../../src/database/connection.ts';
import { Deadline } from '../../src/lifecycle.ts';
import { createLogger } from '../../src/logger.ts';
import { type Feature, Health, type QueueLook } from '../../src/monitoring/health.ts';
import { StoreCheck } from '../../src/monitoring/store-check.ts';
import type { ModelStatus } from '../../src/providers/model.ts';
import { closeRedis, connectRedis, type RedisRole, redisReady } from '../../src/redis/connections.ts';
import { type PrivateStore, startPrivatePostgres, startPrivateRedis } from '../support/stores.ts';
import { createWorld, type World } from '../support/world.ts';

const logger = createLogger({ level: 'silent', role: 'test' });
const IDLE: QueueLook = { name: 'learning', counts: { waiting: 0, prioritized: 0 }, workers: 1, paused: false };

const FINE = { pending: 0, behindMs: 0, setAside: 0, trouble: undefined };

let redis: PrivateStore;
let cache: PrivateStore;
let postgres: PrivateStore;
let world: World;
beforeAll(async () => {
  [redis, cache, postgres] = await Promise.all([
    startPrivateRedis(),
    startPrivateRedis('cache'),
    startPrivatePostgres(),
  ]);
  const stores = { redis: redis.url, cache: cache.url, database: postgres.url };
  world = await createWorld({ stores, migrate: false });
});
afterAll(async () => {
  await world?.close();
  await Promise.all([redis?.stop(), cache?.stop(), postgres?.stop()]);
});

/** A web process's health, over the stores of this file. */
async function startHealth(
  queues: () => Promise<readonly QueueLook[]> = async () => [IDLE],
  figures: { pending: number; behindMs: number; setAside: number; trouble: string | undefined } = FINE,
  model: ModelStatus = 'available',
  features?: () => Promise<readonly Feature[]>,
) {
  const { config } = world;
  const open = async (url: string, role: RedisRole) => {
    const client = connectRedis({ url, role, name: 'health', logger });
    await redisReady(client, 5000);
    return client;
  };
  const queueRedis = await open(config.REDIS_URL, 'producer');
  const cacheRedis = await open(config.REDIS_CACHE_URL, 'cache');
  const database = connectDatabase({ url: config.DATABASE_URL, schema: 'public', poolSize: 2, name: 'health' });
  const storeCheck = new StoreCheck({ redis: queueRedis, cacheRedis, logger, everyMs: 50 });
  const health = new Health({
    database,
    redis: queueRedis,
    cacheRedis,
    queues: { queues },
    storeCheck,
    acceptance: { figures },
    model: { status: async () => model },
    ...(features && { features }),
    keyPrefix: config.KEY_PREFIX,
    processId: 'test',
    version: '0.1.0',
  });
  await storeCheck.start();
  return {
    health,
    storeCheck,
    queueRedis,
    close: async () => {
      await storeCheck.stop(Deadline.in(3000));
      await Promise.all([closeRedis(queueRedis), closeRedis(cacheRedis), database.destroy()]);
    },
  };
}

/** Run `work` on a fresh health and close it whatever happens. */
async function withHealth(
  work: (started: Awaited<ReturnType<typeof startHealth>>) => Promise<void>,
  queues?: () => Promise<readonly QueueLook[]>,
  figures?: typeof FINE | { pending: number; behindMs: number; setAside: number; trouble: string },
  model?: ModelStatus,
  features?: () => Promise<readonly Feature[]>,
) {
  const started = await startHealth(queues, figures, model, features);
  try {
    await work(started);
  } finally {
    await started.close();
  }
}

async function timed<T>(work: Promise<T>): Promise<T> {
  const startedMs = Date.now();
  const result = await work;
  expect(Date.now() - startedMs).toBeLessThan(1800);
  return result;
}

describe('/health', () => {
  it('has exactly the agreed shape when all is well', () =>
    withHealth(async ({ health }) => {
      expect(await health.report()).toEqual({
        status: 'ok',
        services: {
          database: 'connected',
          redis: 'connected',
          cache: 'connected',
          queue: 'healthy',
          model: 'available',
        },
        journal: 'accepting',
        features: {},
        experimental: [],
        reasons: {},
        version: '0.1.0',
        uptime: expect.any(Number),
      });
      expect(health.live()).toEqual({ status: 'ok', uptime: expect.any(Number) });
    }));

  it('tells of features, and is well without them', () =>
    withHealth(
      async ({ health }) => {
        expect(await health.report()).toMatchObject({
          status: 'ok',
          features: { speech: 'not configured', drawing: 'remote' },
          experimental: ['drawing'],
          reasons: { speech: 'Install it.' },
        });
      },
      undefined,
      undefined,
      undefined,
      async () => [
        { name: 'speech', state: 'not configured', experimental: false, reason: 'Install it.' },
        { name: 'drawing', state: 'remote', experimental: true },
      ],
    ));

  it('flips each service while its store is away, and back', () =>
    withHealth(async ({ health }) => {
      await postgres.kill();
      expect(await timed(health.report())).toMatchObject({
        status: 'degraded',
        services: { database: 'disconnected' },
      });
      await postgres.restart();
      await cache.kill();
      expect(await timed(health.report())).toMatchObject({
        status: 'degraded',
        services: { cache: 'memory-fallback' },
      });
      await cache.restart();
      await redis.kill();
      const report = await timed(health.report());
      expect(report).toMatchObject({ status: 'degraded', services: { redis: 'disconnected' } });
      expect(report.reasons.redis).toMatch(/queue Redis/);
      expect(JSON.stringify(report)).not.toMatch(/127\.0\.0\.1|ECONN/);
      await redis.restart();
      await expect.poll(async () => (await health.report()).status, { timeout: 10_000 }).toBe('ok');
    }));

  it('is bounded while stores hang, whatever their number', () =>
    withHealth(async ({ health }) => {
      for (const store of [redis, cache, postgres]) store.pause();
      try {
        const [report] = await timed(Promise.all([health.report(), health.report(), health.ready()]));
        expect(report.services).toMatchObject({
          database: 'disconnected',
          redis: 'disconnected',
          cache: 'memory-fallback',
        });
        expect(report.reasons.database).toMatch(/1000 ms/);
      } finally {
        for (const store of [redis, cache, postgres]) store.resume();
      }
    }));

  it('is degraded while jobs wait and no worker takes them', async () => {
    const waiting = { ...IDLE, counts: { waiting: 4, prioritized: 1 }, workers: 0 };
    await withHealth(
      async ({ health }) => {
        const report = await health.report();
        expect(report).toMatchObject({ status: 'degraded', services: { queue: 'stalled' } });
        expect(report.reasons.queue).toMatch(/learning \(5 waiting\)/);
      },
      async () => [waiting],
    );
    const paused = { ...waiting, paused: true };
    await withHealth(
      async ({ health }) => expect((await health.report()).services.queue).toBe('healthy'),
      async () => [paused],
    );
  });

  it('survives a look at the queues that fails', () =>
    withHealth(
      async ({ health }) => expect((await health.report()).services.queue).toBe('unavailable'),
      () => Promise.reject(new Error('no')),
    ));
});

describe('the model in /health', () => {
  it('is no fault when it was never set up, and none of readiness', () =>
    withHealth(
      async ({ health }) => {
        expect(await health.report()).toMatchObject({
          status: 'ok',
          services: { model: 'not configured' },
          reasons: {},
        });
        expect(await health.ready()).toEqual({ ready: true, reasons: [] });
      },
      undefined,
      undefined,
      'not configured',
    ));

  it('degrades the health while its endpoint does not answer, with the reason; the process stays ready', () =>
    withHealth(
      async ({ health }) => {
        const report = await health.report();
        expect(report).toMatchObject({ status: 'degraded', services: { model: 'unavailable' } });
        expect(report.reasons.model).toMatch(/AI_BASE_URL/);
        expect(await health.ready()).toEqual({ ready: true, reasons: [] });
      },
      undefined,
      undefined,
      'unavailable',
    ));
});

describe('/readyz', () => {
  it('writes to the queue Redis, with a TTL', () =>
    withHealth(async ({ health, queueRedis }) => {
      expect(await health.ready()).toEqual({ ready: true, reasons: [] });
      const ttl = await queueRedis.ttl(`${world.config.KEY_PREFIX}health:write:test`);
      expect(ttl).toBeGreaterThan(0);
      expect(ttl).toBeLessThanOrEqual(10);
    }));

  it('is false from the first moment of stopping', () =>
    withHealth(async ({ health }) => {
      health.drain();
      expect(await health.ready()).toEqual({ ready: false, reasons: ['This process is stopping.'] });
    }));

  it('needs PostgreSQL once, and stays true while it is away', () =>
    withHealth(async ({ health }) => {
      await postgres.kill();
      expect(await health.ready()).toMatchObject({ ready: false });
      await postgres.restart();
      expect(await health.ready()).toMatchObject({ ready: true });
      await postgres.kill();
      const during = await health.ready();
      await postgres.restart();
      expect(during).toEqual({ ready: true, reasons: ['PostgreSQL cannot be reached.'] });
    }));

  it('stays true while the queue Redis refuses writes, for the journal accepts, and says so', () =>
    withHealth(async ({ health, queueRedis }) => {
      expect(await health.ready()).toMatchObject({ ready: true });
      await queueRedis.config('SET', 'min-replicas-to-write', '1');
      const ready = await health.ready();
      await queueRedis.config('SET', 'min-replicas-to-write', '0');
      expect(ready.ready).toBe(true);
      expect(ready.reasons[0]).toMatch(/queue Redis/);
    }));

  it('is false while the journal refuses, and so is the health', () =>
    withHealth(
      async ({ health }) => {
        expect(await health.ready()).toEqual({ ready: false, reasons: ['ENOSPC'] });
        const report = await health.report();
        expect(report).toMatchObject({ status: 'error', journal: 'refusing' });
        expect(report.reasons.journal).toBe(
          'Nothing can be accepted: ENOSPC 12 jobs wait for Redis since 3 s. ' +
            '1 jobs are set aside: see `millrace set-aside list`.',
        );
      },
      undefined,
      { pending: 12, behindMs: 2500, setAside: 1, trouble: 'ENOSPC' },
    ));
});

describe('the store check', () => {
  it('refuses readiness while the queue Redis may evict or keeps no AOF, with the cure, and takes it back', () =>
    withHealth(async ({ health, queueRedis }) => {
      await queueRedis.config('SET', 'maxmemory-policy', 'allkeys-lru');
      await expect.poll(async () => (await health.ready()).ready).toBe(false);
      expect((await health.ready()).reasons[0]).toMatch(/allkeys-lru.*CONFIG SET maxmemory-policy noeviction/);
      expect(await health.report()).toMatchObject({ status: 'error', services: { redis: 'misconfigured' } });
      await queueRedis.config('SET', 'maxmemory-policy', 'noeviction');
      await expect.poll(async () => (await health.ready()).ready, { timeout: 3000 }).toBe(true);

      await queueRedis.config('SET', 'appendonly', 'no');
      await expect.poll(async () => (await health.ready()).reasons[0], { timeout: 3000 }).toMatch(/append-only/);
      await queueRedis.config('SET', 'appendonly', 'yes');
      await expect.poll(async () => (await health.ready()).ready, { timeout: 3000 }).toBe(true);
    }));

  it('accepts a server that forbids INFO, with a warning', async () => {
    const url = new URL(redis.url);
    url.username = 'managed';
    url.password = 'managed-secret';
    await withHealth(async ({ queueRedis }) => {
      await queueRedis.acl('SETUSER', 'managed', 'on', '>managed-secret', '~*', '+@all', '-info', '-config');
      const managed = connectRedis({ url: url.href, role: 'producer', name: 'managed', logger });
      await redisReady(managed, 5000).catch(() => undefined);
      const check = new StoreCheck({ redis: managed, cacheRedis: managed, logger });
      await check.look();
      expect(check.verdict.refusals).toEqual([]);
      expect(check.verdict.warnings[0]?.reason).toMatch(/does not allow INFO/);
      await closeRedis(managed);
      await queueRedis.acl('DELUSER', 'managed');
    });
  });

  it('says no until it has looked, and keeps its verdict while Redis is away', () =>
    withHealth(async ({ storeCheck }) => {
      expect(storeCheck.verdict.refusals).toEqual([]);
      await redis.kill();
      await expect(storeCheck.look()).rejects.toThrow();
      expect(storeCheck.verdict.refusals).toEqual([]);
      const fresh = new StoreCheck({
        redis: { info: () => Promise.reject(new Error('Connection is closed.')) },
        cacheRedis: { info: async () => '' },
        logger,
      });
      await fresh.start();
      expect(fresh.verdict.refusals[0]?.reason).toMatch(/not been checked/);
      await fresh.stop(Deadline.in(1000));
      await redis.restart();
    }));
});
