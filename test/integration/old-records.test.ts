/** What PostgreSQL remembers of finished work, and when it may forget it. */

import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OldRecords, type RecordRemoval } from '../../src/database/old-records.ts';
import { isAppError } from '../../src/errors.ts';
import { jobIdFor } from '../../src/queue/envelope.ts';
import type { Services } from '../../src/services.ts';
import { FIXTURE_JOBS, startProducerSide, stopProducerSide } from '../support/producer-side.ts';
import { startPrivatePostgres } from '../support/stores.ts';
import { createWorld, type World } from '../support/world.ts';

const DAY_MS = 86_400_000;
const KEEP_MS = 30 * DAY_MS;

let world: World;
let services: Services;

beforeEach(async () => {
  world = await createWorld();
  services = await startProducerSide(world, FIXTURE_JOBS);
});

afterEach(async () => {
  await stopProducerSide(services);
  await world.close();
});

const forget = (dryRun = false): Promise<RecordRemoval> =>
  services.housekeeping.oldRecords.removeExpired({ dryRun, signal: new AbortController().signal });

const ago = (days: number) => new Date(Date.now() - days * DAY_MS);
const newId = () => jobIdFor('default', 'learning.process-edit', undefined, Date.now());

async function record(days: number, outcome: 'applied' | 'cancelled' = 'applied', id = newId()): Promise<string> {
  const row = { job_id: id, tenant: 'default', job: 'learning.process-edit', outcome, recorded_at: ago(days) };
  await services.database.insertInto('ledger').values(row).execute();
  return id;
}

async function request(days: number, into: string | null, id = newId()): Promise<string> {
  const requested_at = ago(days);
  const row = { job_id: id, tenant: 'default', job: 'learning.process-edit', key: 'ada', payload: null, requested_at };
  await services.database
    .insertInto('collected_requests')
    .values({ ...row, collected_into: into })
    .execute();
  return id;
}

async function setAside(days: number, id = newId()): Promise<string> {
  await sql`
    INSERT INTO outbox (id, tenant, job, payload, requested_at, set_aside_at, error_code)
    VALUES (${id}, 'default', 'learning.process-edit', '{}', ${ago(days)}, ${ago(days)}, 'unknown-job')`.execute(
    services.database,
  );
  return id;
}

async function idsIn(table: 'ledger' | 'collected_requests'): Promise<string[]> {
  const rows = await services.database.selectFrom(table).select('job_id').execute();
  return rows.map((row) => row.job_id).sort();
}

describe('records', () => {
  test('go when they are older than the time to keep', async () => {
    await record(31);
    await record(40, 'cancelled');
    const young = [await record(29), await record(1, 'cancelled')];
    const removal = await forget();
    expect(removal).toMatchObject({ removed: 2, setAside: 0 });
    expect(removal.bytes).toBeGreaterThan(100);
    expect(await idsIn('ledger')).toEqual(young.sort());
  });

  test('stay in a dry run, which says what would go', async () => {
    await record(31);
    await request(31, await record(31));
    const before = [await idsIn('ledger'), await idsIn('collected_requests')];
    const would = await forget(true);
    expect([await idsIn('ledger'), await idsIn('collected_requests')]).toEqual(before);
    // The run's own row goes once its request has gone: a dry run removes none.
    expect(would.removed).toBe(2);
    expect((await forget()).removed).toBe(3);
  });

  test('go in many batches', async () => {
    await sql`
      INSERT INTO ledger (job_id, tenant, job, outcome, recorded_at)
      SELECT 'learning_' || md5(n::text), 'default', 'j', 'applied', ${ago(31)} FROM generate_series(1, 1700) n`.execute(
      services.database,
    );
    expect((await forget()).removed).toBe(1700);
    expect(await idsIn('ledger')).toEqual([]);
  });

  test('stay as long as Redis has their job', async () => {
    const queue = services.queues.all[0];
    if (queue === undefined) throw new Error('there is a queue');
    const jobId = jobIdFor('default', `${queue.name}.x`, undefined, 1);
    await queue.add('x', { tenant: 'default', payload: 1, requestedAt: 1, timeoutMs: 1 }, { jobId, delay: DAY_MS });
    await record(400, 'applied', jobId);
    await record(400);
    expect((await forget()).removed).toBe(1);
    expect(await idsIn('ledger')).toEqual([jobId]);
    await (await queue.getJob(jobId))?.remove();
    expect((await forget()).removed).toBe(1);
  });

  test('of a job in the outbox stay: its row could still be relayed', async () => {
    const id = await setAside(90);
    await record(60, 'cancelled', id);
    expect((await forget()).removed).toBe(0);
    expect(await idsIn('ledger')).toEqual([id]);
  });
});

describe('gathered requests', () => {
  test('go when a run has taken them long ago, and the result of the run after them', async () => {
    const run = await record(31);
    await request(32, run);
    const youngRun = await record(2);
    const young = await request(3, youngRun);
    expect((await forget()).removed).toBe(2);
    expect(await idsIn('collected_requests')).toEqual([young]);
    expect(await idsIn('ledger')).toEqual([youngRun]);
  });

  test('that are open stay, however old they are', async () => {
    const id = await request(400, null);
    expect((await forget()).removed).toBe(0);
    expect(await idsIn('collected_requests')).toEqual([id]);
  });

  test('that were cancelled go before their tombstone, and are not woken', async () => {
    const id = await request(40, null);
    await record(39, 'cancelled', id);
    expect((await forget()).removed).toBe(2);
    expect([await idsIn('collected_requests'), await idsIn('ledger')]).toEqual([[], []]);
    expect(await services.collectedRequests.overdue(['learning.process-edit'], new Date(), 10)).toEqual([]);
  });

  test('keep the result of their run while Redis has their job', async () => {
    const queue = services.queues.all[0];
    if (queue === undefined) throw new Error('there is a queue');
    const jobId = jobIdFor('default', `${queue.name}.x`, undefined, 2);
    await queue.add('x', { tenant: 'default', payload: 1, requestedAt: 1, timeoutMs: 1 }, { jobId, delay: DAY_MS });
    const run = await record(31);
    await request(32, run, jobId);
    expect((await forget()).removed).toBe(0);
    expect(await idsIn('ledger')).toEqual([run]);
  });
});

test('when the last run of a key began is forgotten after the same time', async () => {
  const { database } = services;
  const row = { tenant: 'default', job: 'learning.process-edit' };
  await database
    .insertInto('collect_runs')
    .values({ ...row, key: 'old', started_at: ago(31) })
    .execute();
  await database
    .insertInto('collect_runs')
    .values({ ...row, key: 'young', started_at: ago(1) })
    .execute();
  expect((await forget()).removed).toBe(1);
  const left = await database.selectFrom('collect_runs').select('key').execute();
  expect(left).toEqual([{ key: 'young' }]);
});

test('jobs that were set aside are never removed; those that have waited as long are counted', async () => {
  await setAside(31);
  await setAside(29);
  expect(await forget()).toEqual({ removed: 0, bytes: 0, setAside: 1 });
  const { rows } = await sql<{ n: number }>`SELECT count(*)::int AS n FROM outbox`.execute(services.database);
  expect(rows).toEqual([{ n: 2 }]);
});

test('empty tables have nothing to forget', async () => {
  expect(await forget()).toEqual({ removed: 0, bytes: 0, setAside: 0 });
});

test('with PostgreSQL away in the middle the run is refused, and what it did stays done', async () => {
  const postgres = await startPrivatePostgres({ synchronous_commit: 'on' });
  const away = await createWorld({ stores: { database: postgres.url } });
  const side = await startProducerSide(away, FIXTURE_JOBS);
  try {
    await sql`
      INSERT INTO ledger (job_id, tenant, job, outcome, recorded_at)
      SELECT 'learning_' || md5(n::text), 'default', 'j', 'applied', ${ago(31)} FROM generate_series(1, 1200) n`.execute(
      side.database,
    );
    const { signal } = new AbortController();
    const standing = async () => new Set<string>();
    const records = new OldRecords({ database: side.database, keepMs: KEEP_MS, standing });
    const error = await records
      .removeExpired({ dryRun: false, signal, told: () => postgres.kill() })
      .catch((cause: unknown) => cause);
    expect(isAppError(error, 'store-unavailable')).toBe(true);
    await postgres.restart();
    expect(await records.removeExpired({ dryRun: false, signal })).toMatchObject({ removed: 700 });
  } finally {
    await stopProducerSide(side);
    await away.close();
    await postgres.stop();
  }
});
