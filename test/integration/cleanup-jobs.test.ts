/** The cleanup jobs as workers run them: dry runs, real runs, one at a time, and stores that go away in the middle. */

import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { loadCatalog } from '../../src/queue/catalog.ts';
import { defineCleanup } from '../../src/queue/cleanup.ts';
import { jobIdFor } from '../../src/queue/envelope.ts';
import type { JobDefinition } from '../../src/queue/job.ts';
import type { JobView } from '../../src/queue/job-view.ts';
import { redisReady } from '../../src/redis/connections.ts';
import { queueKeys } from '../../src/redis/keys.ts';
import { latch } from '../support/latch.ts';
import { eventually } from '../support/millrace-process.ts';
import { type Probe, startProbe } from '../support/probe-worker.ts';
import { REAL_JOBS } from '../support/producer-side.ts';
import { startPrivateRedis } from '../support/stores.ts';
import { createWorld, type World } from '../support/world.ts';

const DAY_MS = 86_400_000;
const real = await loadCatalog(REAL_JOBS);
const OURS = [
  'cleanup.remove-finished-jobs',
  'cleanup.settle-stray-jobs',
  'cleanup.forget-old-records',
  'cleanup.trim-event-streams',
  'cleanup.forget-journal-marks',
];

let world: World | undefined;
let probe: Probe | undefined;

async function start(definitions: readonly JobDefinition[], options: Parameters<typeof createWorld>[0] = {}) {
  world = await createWorld(options);
  probe = await startProbe(world, definitions);
  return probe;
}

async function close(): Promise<void> {
  await probe?.stop();
  probe = undefined;
  await world?.close();
  world = undefined;
}

afterEach(close);

const enqueue = async ({ services }: Probe, job: string, payload: object = {}) =>
  (await services.producer.enqueue({ tenant: 'default', job, payload })).id;

const run = async (on: Probe, job: string, payload: object = {}): Promise<JobView> =>
  on.until(await enqueue(on, job, payload));

/** Something for each cleanup to remove. */
async function litter({ services }: Probe): Promise<void> {
  const { redis, database, config } = services;
  const { QUEUE_PREFIX: prefix, KEY_PREFIX } = config;
  const longAgo = Date.now() - 60 * DAY_MS;
  const id = (value: string) => jobIdFor('default', 'cleanup.x', { kind: 'once', value }, 1);
  // In a queue of its own: in this one BullMQ looks at ages itself whenever a job ends.
  await redis.hset(`${prefix}:former:meta`, 'opts.maxLenEvents', 1);
  await redis.hset(`${prefix}:former:${id('old')}`, 'name', 'cleanup.x', 'finishedOn', longAgo);
  await redis.zadd(`${prefix}:former:completed`, longAgo, id('old'));
  await redis.hset(`${prefix}:cleanup:${id('stray')}`, 'name', 'cleanup.x', 'finishedOn', longAgo);
  await redis.hset(`${prefix}:${queueKeys.journalMarks()}`, 'gone', `5 ${longAgo}`, 'alive', `5 ${Date.now()}`);
  await redis.xadd(`${KEY_PREFIX}events`, `${longAgo}-0`, 'event', '{}');
  const row = { job_id: id('done'), tenant: 'default', job: 'cleanup.x', outcome: 'applied' } as const;
  await database
    .insertInto('ledger')
    .values({ ...row, recorded_at: new Date(longAgo) })
    .execute();
}

/** Every job of the queue, but for one that wakes and removes nothing. */
const CLEANUPS = real.all.filter(({ queue, name }) => queue === 'cleanup' && name !== 'cleanup.wake-overdue');

describe('the definitions', () => {
  test('are there, those on a clock each with a minute of its own', () => {
    expect(CLEANUPS.map(({ name }) => name)).toEqual(expect.arrayContaining(OURS));
    const lines = CLEANUPS.map(({ every }) => every).filter((every) => typeof every === 'string');
    expect(new Set(lines.map((line) => line.split(' ')[0])).size).toBe(lines.length);
    expect(lines).toHaveLength(CLEANUPS.length - 1);
  });

  test.each(CLEANUPS.map(({ name }) => name))('%s is asked, answers and takes turns as they all do', (name) => {
    const { payload, result, example, exclusive } = real.get(name);
    expect(payload.parse(example)).toEqual({ dryRun: false });
    expect(() => payload.parse({ dryRun: 'yes' })).toThrow();
    expect(() => payload.parse({ dryrun: true })).toThrow();
    expect(z.toJSONSchema(result).required).toEqual(expect.arrayContaining(['removed', 'bytes', 'dryRun']));
    expect(() => result.parse({ removed: -1, bytes: 0, requeued: 0, setAside: 0, dryRun: false })).toThrow();
    expect(exclusive?.({}, { tenant: 'acme' })).toEqual({ kind: 'sweep', tenant: 'default', id: name });
  });
});

describe('a cleanup job', () => {
  test.each(OURS)(
    '%s says in a dry run what it would remove, then removes it, then finds nothing',
    async (name) => {
      const on = await start(real.all.filter((definition) => definition.name === name));
      await litter(on);
      const none = { removed: 0, bytes: 0, dryRun: false };
      expect(await run(on, name, { dryRun: true })).toMatchObject({
        state: 'completed',
        result: { removed: 1, dryRun: true },
      });
      const done = await run(on, name);
      expect(done).toMatchObject({
        state: 'completed',
        result: { removed: 1, dryRun: false },
        progress: { removed: 1 },
      });
      expect(await run(on, name)).toMatchObject({ state: 'completed', result: none });
    },
    40_000,
  );

  test('keeps the mark of a journal that lives', async () => {
    const on = await start(real.all.filter(({ name }) => name === 'cleanup.forget-journal-marks'));
    await litter(on);
    await run(on, 'cleanup.forget-journal-marks');
    const key = `${on.services.config.QUEUE_PREFIX}:${queueKeys.journalMarks()}`;
    expect(Object.keys(await on.services.redis.hgetall(key))).toEqual(['alive']);
  });
});

type CleanupOwner = Parameters<typeof defineCleanup>[0]['owner'];

/** A cleanup whose owner is the test. */
const probing = (owner: CleanupOwner) =>
  defineCleanup({ name: 'cleanup.probe', about: 'A probe.', every: '0 0 1 1 *', owner });

describe('two runs of one cleanup', () => {
  test('never overlap: the second waits, spends no attempt, and runs after the first', async () => {
    let inside = 0;
    let most = 0;
    let runs = 0;
    const first = latch();
    const owner = () => ({
      removeExpired: async () => {
        inside += 1;
        runs += 1;
        most = Math.max(most, inside);
        if (runs === 1) await first.opened;
        inside -= 1;
        return { removed: 0, bytes: 0 };
      },
    });
    const on = await start([probing(owner)]);
    const ids = [await enqueue(on, 'cleanup.probe'), await enqueue(on, 'cleanup.probe', { dryRun: true })];
    const states = async () => {
      const views = await Promise.all(ids.map((id) => on.services.inspector.job('default', id)));
      return views.map(({ state }) => state).sort();
    };
    await eventually(states, (seen) => seen.join() === 'active,delayed', 10_000);
    first.open();
    for (const id of ids) expect(await on.until(id)).toMatchObject({ state: 'completed', attempts: { made: 1 } });
    expect({ most, runs }).toEqual({ most: 1, runs: 2 });
  });
});

test('with Redis away in the middle a run comes back later, spends no attempt, and does the rest', async () => {
  const redis = await startPrivateRedis();
  let runs = 0;
  const owner: CleanupOwner = ({ housekeeping }) => ({
    removeExpired: (how) => {
      runs += 1;
      const told = async () => (runs === 1 ? redis.kill() : undefined);
      return housekeeping.finishedJobs.removeExpired({ ...how, told });
    },
  });
  try {
    const on = await start([probing(owner)], { stores: { redis: redis.url } });
    const { redis: client, config } = on.services;
    const longAgo = Date.now() - 60 * DAY_MS;
    const key = `${config.QUEUE_PREFIX}:cleanup:completed`;
    for (let at = 0; at < 500; at++) {
      const id = jobIdFor('default', 'cleanup.x', undefined, at);
      await client.hset(`${config.QUEUE_PREFIX}:cleanup:${id}`, 'name', 'cleanup.x', 'finishedOn', longAgo);
      await client.zadd(key, longAgo, id);
    }
    const id = await enqueue(on, 'cleanup.probe');
    const begun = async () => runs;
    await eventually(begun, (count) => count === 1, 10_000);
    await redis.restart();
    await redisReady(client, 10_000);
    await on.services.redisBreaker.closes(AbortSignal.timeout(10_000));
    expect(await on.until(id, undefined, 40_000)).toMatchObject({ state: 'completed', attempts: { made: 1 } });
    expect(await client.zcount(key, '-inf', longAgo)).toBe(0);
    expect(runs).toBeGreaterThan(1);
  } finally {
    await close();
    await redis.stop();
  }
}, 60_000);
