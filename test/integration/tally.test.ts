/** What workers count, on its way into a real PostgreSQL that forgets answers, goes away and comes back. */

import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { addBatch } from '../../src/analytics/batches.ts';
import { percentile } from '../../src/analytics/histogram.ts';
import { MOST_ROWS, type TalliedAttempt, Tally } from '../../src/analytics/tally.ts';
import { connectDatabase, type Database } from '../../src/database/connection.ts';
import { migrateDatabase } from '../../src/database/migrate.ts';
import { AppError } from '../../src/errors.ts';
import { Deadline } from '../../src/lifecycle.ts';
import { createLogger } from '../../src/logger.ts';
import { defineJob } from '../../src/queue/job.ts';
import { type ForgetfulProxy, startForgetfulProxy } from '../support/forgetful-proxy.ts';
import { startProbe } from '../support/probe-worker.ts';
import { startPrivatePostgres } from '../support/stores.ts';
import { createWorld, type World } from '../support/world.ts';

const NOON = Date.UTC(2026, 10, 21, 12);
const ATTEMPT: TalliedAttempt = {
  tenant: 'acme',
  job: 'mills.grind-corn',
  outcome: 'completed',
  first: true,
  waitMs: 10,
  runMs: 100,
  endedAtMs: NOON,
};
const logger = createLogger({ level: 'silent', role: 'test' });

let world: World;
let proxy: ForgetfulProxy;
let database: Database;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  proxy = await startForgetfulProxy(world.config.DATABASE_URL);
  database = connectDatabase({ url: proxy.url, schema: world.config.DATABASE_SCHEMA, poolSize: 3, name: 'tally' });
});
afterEach(async () => {
  await database.deleteFrom('analytics_jobs').execute();
  await database.deleteFrom('analytics_usage').execute();
  await database.destroy();
  await proxy.close();
});

const start = (clock = () => NOON) => new Tally({ database, logger, clock });

async function rows(from = database) {
  const found = await from
    .selectFrom('analytics_jobs')
    .select(['tenant', 'job', 'outcome', 'count', 'wait', 'run'])
    .execute();
  return found.map(({ wait, run, ...row }) => ({
    ...row,
    count: Number(row.count),
    waited: wait.reduce((sum, count) => sum + Number(count), 0),
    ran: run.reduce((sum, count) => sum + Number(count), 0),
  }));
}

const counted = (count: number) => ({ ...pick(ATTEMPT), count, waited: count, ran: count });
const pick = ({ tenant, job, outcome }: TalliedAttempt) => ({ tenant, job, outcome });

describe('counts', () => {
  test('of several processes are added up, bucket by bucket', async () => {
    const [one, two] = [start(), start()];
    one.attempt(ATTEMPT);
    one.attempt({ ...ATTEMPT, waitMs: 5000 });
    two.attempt({ ...ATTEMPT, runMs: 0 });
    await Promise.all([one.flush(), two.flush()]);
    one.attempt(ATTEMPT);
    await one.flush();
    await one.flush();
    expect(await rows()).toEqual([counted(4)]);
  });

  test('are added once when the answer to their transaction is lost', async () => {
    const tally = start();
    tally.attempt(ATTEMPT);
    tally.cacheRead('hit');
    proxy.loseNextCommit();
    await expect(tally.flush()).rejects.toMatchObject({ code: 'store-unavailable' });
    tally.attempt(ATTEMPT);
    await tally.flush();
    expect(proxy.lost).toBe(1);
    expect(await rows()).toEqual([counted(2)]);
    const usage = await database.selectFrom('analytics_usage').select(['tenant', 'kind', 'amount']).execute();
    expect(usage).toEqual([{ tenant: '*', kind: 'cache.hits', amount: 1 }]);
  });

  test('of one batch that is handed in by two connections at once are added once', async () => {
    const job = { ...pick(ATTEMPT), day: '2026-11-21', count: 1, wait: [1], run: [1] };
    const batch = { number: 1, jobs: [job], usage: [] };
    await Promise.all([1, 2, 3].map(() => addBatch(database, 'one-process', batch)));
    expect(await rows()).toEqual([counted(1)]);
  });

  test('belong to the day on which the attempt ended, in UTC', async () => {
    const tally = start();
    const midnight = Date.UTC(2026, 9, 25);
    for (const endedAtMs of [midnight - 1, midnight, midnight + 86_399_999]) tally.attempt({ ...ATTEMPT, endedAtMs });
    await tally.flush();
    const { rows: days } = await database.executeQuery<{ day: string; count: string }>(
      database
        .selectFrom('analytics_jobs')
        .select(['count', (of) => of.cast<string>('day', 'text').as('day')])
        .orderBy('day')
        .compile(),
    );
    expect(days).toEqual([
      { day: '2026-10-24', count: '1' },
      { day: '2026-10-25', count: '2' },
    ]);
  });

  test('with names that no table could hold are counted all the same', async () => {
    const tally = start();
    tally.attempt({ ...ATTEMPT, tenant: '\0', job: 'a\0b' });
    tally.attempt({ ...ATTEMPT, tenant: undefined as unknown as string });
    await tally.flush();
    expect((await rows()).map(({ tenant, job, count }) => [tenant, job, count]).sort()).toEqual([
      ['*', 'mills.grind-corn', 1],
      ['*', 'unknown', 1],
    ]);
  });

  test('of waits are those of first attempts alone', async () => {
    const tally = start();
    tally.attempt(ATTEMPT);
    tally.attempt({ ...ATTEMPT, first: false });
    await tally.flush();
    expect(await rows()).toEqual([{ ...counted(2), waited: 1 }]);
  });

  test('take a bounded place in memory; what is beyond it is left out and said', async () => {
    const lines: string[] = [];
    const told = createLogger({ level: 'warn', role: 'test', destination: { write: (line) => void lines.push(line) } });
    const tally = new Tally({ database, logger: told, clock: () => NOON });
    for (let each = 0; each < MOST_ROWS + 7; each++) tally.attempt({ ...ATTEMPT, job: `mills.job-${each}` });
    await tally.flush();
    expect(await rows()).toHaveLength(MOST_ROWS);
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ dropped: 7 }]);
  });

  test('that are left are added when the process stops, also when it is stopped twice', async () => {
    const tally = start();
    await tally.start();
    tally.attempt(ATTEMPT);
    await tally.stop(Deadline.in(5000));
    await tally.stop(Deadline.in(5000));
    expect(await rows()).toEqual([counted(1)]);
  });
});

test('counts wait in memory while PostgreSQL is away, and are all there when it is back', async () => {
  const postgres = await startPrivatePostgres({ synchronous_commit: 'on' });
  const schema = 'tally';
  await migrateDatabase({ url: postgres.url, schema });
  const own = connectDatabase({ url: postgres.url, schema, poolSize: 2, name: 'tally', onLost: () => {} });
  try {
    const tally = new Tally({ database: own, logger });
    tally.attempt(ATTEMPT);
    await tally.flush();
    await postgres.kill();
    for (let each = 0; each < 3; each++) {
      tally.attempt(ATTEMPT);
      await expect(tally.flush()).rejects.toMatchObject({ code: 'store-unavailable' });
    }
    await postgres.restart();
    await tally.flush();
    expect(await rows(own)).toEqual([counted(4)]);
  } finally {
    await own.destroy();
    await postgres.stop();
  }
});

test('a worker counts each attempt by how it ended, and the last failed try as dead', async () => {
  const fast = { delayMs: 1, capMs: 1 };
  const job = defineJob({
    name: 'mills.grind-corn',
    about: 'Grind corn.',
    payload: z.strictObject({ end: z.enum(['well', 'badly', 'at-once']) }),
    result: z.null(),
    example: { end: 'well' },
    attempts: 3,
    backoff: fast,
    run: async ({ end }) => {
      if (end === 'badly') throw new Error('no corn');
      if (end === 'at-once') throw new AppError('work-refused', 'no mill');
      return null;
    },
  });
  const probe = await startProbe(world, [job]);
  try {
    for (const end of ['well', 'well', 'badly', 'at-once']) {
      // One that is asked for ahead of its time does not wait until then.
      const runAt = end === 'at-once' ? new Date(Date.now() + 1500) : undefined;
      const { id } = await probe.services.producer.enqueue({
        tenant: 'default',
        job: job.name,
        payload: { end },
        runAt,
      });
      await probe.until(id);
    }
  } finally {
    await probe.stop();
  }
  const found = await rows();
  const counts = found.filter(({ tenant }) => tenant === 'default').map(({ outcome, count }) => [outcome, count]);
  expect(Object.fromEntries(counts)).toEqual({ completed: 2, retry: 2, dead: 2 });
  expect(found.reduce((sum, { waited }) => sum + waited, 0)).toBe(4);
  const { rows: dead } = await sql<{ wait: string[] }>`SELECT wait FROM analytics_jobs WHERE outcome = 'dead'`.execute(
    database,
  );
  expect(percentile((dead[0]?.wait ?? []).map(Number), 1)).toBeLessThan(1400);
});
