/** Jobs that were enqueued in somebody's transaction, while what should bring them to their queue is killed. */

import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Outbox, type OutboxOptions } from '../../src/accepting/outbox.ts';
import { Listener } from '../../src/database/listener.ts';
import { OutboxRows, outboxChannel } from '../../src/database/outbox-rows.ts';
import { isAppError } from '../../src/errors.ts';
import { Deadline } from '../../src/lifecycle.ts';
import { createLogger } from '../../src/logger.ts';
import type { Services } from '../../src/services.ts';
import { type FixtureSide, startFixtureSide } from '../support/fixture-side.ts';
import { endAll, eventually, freePort, MillraceProcess } from '../support/millrace-process.ts';
import { type PrivateStore, startPrivatePostgres, startPrivateRedis } from '../support/stores.ts';
import type { World } from '../support/world.ts';

/** Longer than any test: only what is heard can wake a relay. */
const NEVER_MS = 600_000;

let redis: PrivateStore;
let postgres: PrivateStore;
let side: FixtureSide;
let world: World;
let services: Services;
let client: pg.Client;

beforeAll(async () => {
  // What was committed must survive a kill: the tests are about nothing else.
  const durable = { synchronous_commit: 'on' };
  [redis, postgres] = await Promise.all([startPrivateRedis(), startPrivatePostgres(durable)]);
});

beforeEach(async () => {
  side = await startFixtureSide({
    stores: { redis: redis.url, database: postgres.url },
    environment: { SHUTDOWN_DEADLINE_MS: '5000' },
  });
  ({ world, services } = side);
  client = await connect();
});

afterEach(async () => {
  await endAll();
  await client.end();
  await side.stop();
});

afterAll(() => Promise.all([redis.stop(), postgres.stop()]));

async function connect(): Promise<pg.Client> {
  const { DATABASE_URL: connectionString, DATABASE_SCHEMA: schema } = world.config;
  const connection = new pg.Client({
    connectionString,
    options: `-c search_path=${schema}`,
    statement_timeout: 10_000,
  });
  // A server that is killed tells its connections; each query says so as well.
  connection.on('error', () => {});
  await connection.connect();
  return connection;
}

/** Ask for jobs of these numbers, in one statement. Returns their ids. */
async function enqueue(numbers: readonly number[], by = client): Promise<string[]> {
  const { rows } = await by.query<{ id: string }>(
    `SELECT millrace_enqueue('learning.slow', jsonb_build_object('n', n, 'ms', 0)) AS id
     FROM unnest($1::int[]) WITH ORDINALITY AS given (n, place) ORDER BY place`,
    [numbers],
  );
  return rows.map(({ id }) => id);
}

async function start(role: 'web' | 'worker'): Promise<MillraceProcess> {
  const environment = { ...world.environment, PORT: String(await freePort()), LEARNING_QUEUE_CONCURRENCY: '20' };
  const process = new MillraceProcess(role, { environment });
  await process.printed('running');
  return process;
}

const count = async (query: string, by = client): Promise<number> => {
  const { rows } = await by.query<{ count: string }>(query);
  return Number(rows[0]?.count);
};
const rowsLeft = () => count('SELECT count(*) FROM outbox');
const relayed = (ms = 20_000) => eventually(rowsLeft, (left) => left === 0, ms);
/** How often each number took effect: for each count, how many numbers. */
const effects = async () => {
  const { rows } = await client.query<{ times: string; numbers: string }>(
    'SELECT times, count(*) AS numbers FROM (SELECT count(*) AS times FROM effects GROUP BY n) AS each GROUP BY times',
  );
  return Object.fromEntries(rows.map(({ times, numbers }) => [times, Number(numbers)]));
};
const took = (numbers: number, ms = 30_000) => eventually(effects, (seen) => (seen[1] ?? 0) >= numbers, ms);
const completed = (id: string) =>
  eventually(
    () => services.queues.get('learning').getJobState(id),
    (state) => state === 'completed',
    20_000,
  );

describe('a web process that is killed between commit and relay', () => {
  test('leaves its rows for its next start', async () => {
    const web = await start('web');
    web.kill('SIGSTOP');
    const ids = await enqueue([1, 2, 3]);
    await web.end('SIGKILL');
    expect(await rowsLeft()).toBe(3);
    expect(await services.queues.get('learning').getJob(ids[0] ?? '')).toBeUndefined();
    await Promise.all([start('web'), start('worker')]);
    await took(3);
    expect(await effects()).toEqual({ 1: 3 });
    expect(await rowsLeft()).toBe(0);
  });

  test('leaves its rows to the other one', async () => {
    const [doomed, other] = await Promise.all([start('web'), start('web'), start('worker')]);
    doomed.kill('SIGSTOP');
    other.kill('SIGSTOP');
    await enqueue([1, 2, 3]);
    await doomed.end('SIGKILL');
    expect(await rowsLeft()).toBe(3);
    other.kill('SIGCONT');
    await took(3);
    expect(await effects()).toEqual({ 1: 3 });
    await relayed();
  });
});

describe('a web process that is killed between the hand-over and the end of the row', () => {
  /** Let a web process hand a row over, and kill it before it can remove the row. Returns the job's id. */
  async function killBeforeDelete(): Promise<string> {
    const web = await start('web');
    web.kill('SIGSTOP');
    const [id = ''] = await enqueue([7]);
    // Rows can be taken under this lock, and none can be changed.
    await client.query('BEGIN');
    await client.query('LOCK TABLE outbox IN SHARE MODE');
    web.kill('SIGCONT');
    const stuck = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'outbox'::regclass";
    await eventually(
      () => count(stuck),
      (locks) => locks === 1,
      20_000,
    );
    await web.end('SIGKILL');
    await client.query('ROLLBACK');
    await eventually(
      () => count(stuck),
      (locks) => locks === 0,
      20_000,
    );
    expect(await rowsLeft()).toBe(1);
    return id;
  }

  test('hands it over again with the same id: one job, one effect', async () => {
    await start('worker');
    const id = await killBeforeDelete();
    await completed(id);
    await start('web');
    await relayed();
    expect((await services.inspector.queue('learning')).counts).toMatchObject({ waiting: 0, completed: 1, failed: 0 });
    expect(await effects()).toEqual({ 1: 1 });
  });

  test('hands it over again when Redis has forgotten the id: two runs, one effect', async () => {
    await start('worker');
    const id = await killBeforeDelete();
    await completed(id);
    await (await services.queues.get('learning').getJob(id))?.remove();
    await start('web');
    await relayed();
    await completed(id);
    expect(await effects()).toEqual({ 1: 1 });
  });
});

describe('1,000 rows', () => {
  const NUMBERS = Array.from({ length: 1000 }, (_, n) => n);

  /** Ten transactions at once of 100 calls each, and ten more that are rolled back. */
  async function enqueueAll(): Promise<void> {
    const transactions = Array.from({ length: 20 }, (_, at) => ({
      numbers: at < 10 ? NUMBERS.slice(at * 100, (at + 1) * 100) : [100_000 + at, 200_000 + at],
      end: at < 10 ? 'COMMIT' : 'ROLLBACK',
    }));
    await Promise.all(
      transactions.map(async ({ numbers, end }) => {
        const by = await connect();
        await by.query('BEGIN');
        for (let from = 0; from < numbers.length; from += 10) await enqueue(numbers.slice(from, from + 10), by);
        await by.query(end);
        await by.end();
      }),
    );
  }

  test('of ten transactions at once are relayed by two web processes, each exactly once', async () => {
    await Promise.all([start('web'), start('web'), start('worker')]);
    await enqueueAll();
    await took(1000);
    expect(await effects()).toEqual({ 1: 1000 });
    await relayed();
    const { counts } = await services.inspector.queue('learning');
    expect(counts).toMatchObject({ waiting: 0, active: 0, completed: 1000, failed: 0 });
  });

  test('take effect exactly once also when web processes are killed in the middle, one after the other', async () => {
    const [first, second, last] = await Promise.all([start('web'), start('web'), start('web'), start('worker')]);
    for (const web of [first, second, last]) web.kill('SIGSTOP');
    await enqueueAll();
    for (const [web, left] of [
      [first, 800],
      [second, 400],
    ] as const) {
      web.kill('SIGCONT');
      await eventually(rowsLeft, (rows) => rows <= left, 20_000);
      await web.end('SIGKILL');
    }
    last.kill('SIGCONT');
    await took(1000);
    expect(await effects()).toEqual({ 1: 1000 });
    await relayed();
  });
});

describe('a relay in our own process', () => {
  let listener: Listener;
  let relay: Outbox;

  async function startRelay(options: Partial<OutboxOptions> = {}): Promise<void> {
    const { DATABASE_URL: url, DATABASE_SCHEMA: schema } = world.config;
    const logger = createLogger({ level: world.config.LOG_LEVEL, role: 'test' });
    listener = new Listener({ url, channel: outboxChannel(schema), name: 'test:outbox', logger, lookMs: 500 });
    const rows = new OutboxRows({ database: services.database });
    relay = new Outbox({ rows, listener, producer: services.producer, logger, sweepMs: NEVER_MS, ...options });
    await relay.start();
    await listens();
  }

  const listens = () =>
    eventually(
      async () => listener.listening,
      (listening) => listening,
      10_000,
    );

  afterEach(async () => {
    await relay.stop(Deadline.in(5000));
  });

  test('hears again after PostgreSQL was killed and came back', async () => {
    await startRelay();
    await enqueue([1]);
    await relayed();
    await postgres.kill();
    await eventually(
      async () => listener.listening,
      (listening) => !listening,
      5000,
    );
    await postgres.restart();
    await listens();
    client = await connect();
    await enqueue([2]);
    await relayed(5000);
    expect((await services.inspector.queue('learning')).counts.waiting).toBe(2);
  });

  test('finds that the connection it listens on is dead, and hears again', async () => {
    await startRelay();
    const { rows } = await client.query<{ pid: number }>(
      "SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND (query LIKE 'LISTEN%' OR query = 'SELECT 1')",
      [`millrace:${world.name}`],
    );
    const [{ pid } = { pid: 0 }] = rows;
    expect(pid).toBeGreaterThan(0);
    process.kill(pid, 'SIGSTOP');
    try {
      // Its NOTIFY reaches nobody: that somebody listens again is what brings the row.
      await enqueue([1]);
      await relayed(15_000);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });

  test('leaves rows where they are while Redis is away, and hands them over by itself once it is back', async () => {
    let refused = 0;
    const producer: OutboxOptions['producer'] = {
      enqueue: (request) =>
        services.producer.enqueue(request).catch((error: unknown) => {
          if (isAppError(error, 'store-unavailable')) refused += 1;
          throw error;
        }),
    };
    await startRelay({ producer });
    await redis.kill();
    await enqueue([1, 2]);
    const refusedAtLeast = (times: number) =>
      eventually(
        async () => refused,
        (counted) => counted >= times,
        10_000,
      );
    // It tries again by itself; and what it is told while it backs off is not lost.
    await refusedAtLeast(6);
    await enqueue([3]);
    await refusedAtLeast(9);
    expect(await rowsLeft()).toBe(3);
    await redis.restart();
    await relayed(10_000);
    expect((await services.inspector.queue('learning')).counts.waiting).toBe(3);
  });

  test('stops in time while PostgreSQL is frozen', async () => {
    await startRelay({ sweepMs: 50 });
    const { rows } = await client.query<{ pid: number }>(
      'SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()',
      [`millrace:${world.name}`],
    );
    expect(rows.length).toBeGreaterThan(1);
    const frozen = [...rows.map(({ pid }) => pid), postgres.pid()];
    for (const pid of frozen) process.kill(pid, 'SIGSTOP');
    try {
      const startedMs = Date.now();
      await relay.stop(Deadline.in(1000)).catch((error: unknown) => expect(String(error)).toContain('at the deadline'));
      expect(Date.now() - startedMs).toBeLessThan(1500);
    } finally {
      for (const pid of frozen) process.kill(pid, 'SIGCONT');
    }
  });
});

test('SIGTERM while PostgreSQL is frozen ends a web process within its deadline', async () => {
  const web = await start('web');
  const { rows } = await client.query<{ pid: number }>(
    'SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()',
    [`millrace:${world.name}`],
  );
  const frozen = [...rows.map(({ pid }) => pid), postgres.pid()];
  for (const pid of frozen) process.kill(pid, 'SIGSTOP');
  try {
    await web.end('SIGTERM', 9000);
  } finally {
    for (const pid of frozen) process.kill(pid, 'SIGCONT');
  }
});
