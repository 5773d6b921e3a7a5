/** Enqueueing inside somebody's own transaction: the function, its relay, and the page that tells of both. */

import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Outbox, type OutboxOptions } from '../../src/accepting/outbox.ts';
import { Listener } from '../../src/database/listener.ts';
import { OutboxRows, outboxChannel } from '../../src/database/outbox-rows.ts';
import { Deadline } from '../../src/lifecycle.ts';
import { createLogger, type Logger } from '../../src/logger.ts';
import { jobIdFor, queueOfJobId } from '../../src/queue/envelope.ts';
import type { Services } from '../../src/services.ts';
import { readPage } from '../support/markdown.ts';
import { eventually } from '../support/millrace-process.ts';
import { REAL_JOBS, startProducerSide, stopProducerSide } from '../support/producer-side.ts';
import { createWorld, type World } from '../support/world.ts';

const EDIT = { userId: 'ada', contentId: 'post', originalText: 'Perhaps we could.', editedText: 'We can.' };
const FEEDBACK = { userId: 'ada', contentId: 'post', text: 'We can.', rating: 4 };
/** Longer than any test: only what is heard can wake a relay. */
const NEVER_MS = 600_000;

let world: World;
let services: Services;
/** Another service's connection. */
let client: pg.Client;
const relays: Outbox[] = [];

beforeAll(async () => {
  world = await createWorld();
  services = await startProducerSide(world, REAL_JOBS);
  client = await connect();
});

afterEach(async () => {
  await Promise.all(relays.splice(0).map((relay) => relay.stop(Deadline.in(5000))));
  await client.query('DELETE FROM outbox');
});

afterAll(async () => {
  await client.end();
  await stopProducerSide(services);
  await world.close();
});

async function connect(searchPath = world.config.DATABASE_SCHEMA): Promise<pg.Client> {
  const connection = new pg.Client({
    connectionString: world.config.DATABASE_URL,
    options: `-c search_path=${searchPath}`,
    statement_timeout: 10_000,
  });
  await connection.connect();
  return connection;
}

/** Call the function by its full name. */
async function enqueue(job: string | null, payload: unknown, options?: unknown, by = client): Promise<string> {
  const { DATABASE_SCHEMA: schema } = world.config;
  const values = [job, JSON.stringify(payload), JSON.stringify(options ?? {})];
  const { rows } = await by.query<{ id: string }>(`SELECT ${schema}.millrace_enqueue($1, $2, $3) AS id`, values);
  return rows[0]?.id ?? '';
}

/** A relay as a web process has one. */
async function startRelay(options: Partial<OutboxOptions> & { logger?: Logger } = {}): Promise<Outbox> {
  const { DATABASE_URL: url, DATABASE_SCHEMA: schema } = world.config;
  const logger = options.logger ?? services.logger;
  const listener = new Listener({ url, channel: outboxChannel(schema), name: 'test:outbox', logger });
  const rows = new OutboxRows({ database: services.database });
  const relay = new Outbox({ rows, listener, producer: services.producer, logger, ...options });
  relays.push(relay);
  await relay.start();
  await eventually(
    async () => listener.listening,
    (listening) => listening,
    5000,
  );
  return relay;
}

const waitingRows = async () => {
  const { rows } = await client.query('SELECT id FROM outbox WHERE set_aside_at IS NULL ORDER BY seq');
  return rows.map(({ id }) => String(id));
};
const setAsideRows = async () => {
  const { rows } = await client.query<{ id: string; error_code: string; error_detail: string }>(
    'SELECT id, error_code, error_detail FROM outbox WHERE set_aside_at IS NOT NULL ORDER BY seq',
  );
  return rows;
};
const relayed = () => eventually(waitingRows, (ids) => ids.length === 0, 10_000);
const jobOf = (id: string) => services.queues.get('learning').getJob(id);

/** A logger that keeps its lines. */
function recorder(): { logger: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  return { logger: createLogger({ level: 'info', role: 'test', destination }), lines };
}

/** The SQL block of the page that begins with this comment, for this world's schema. */
async function fromPage(comment: string): Promise<string> {
  const blocks = [...(await readPage('docs/outbox.md')).matchAll(/```sql\n(.*?)```/gs)].map(({ 1: sql = '' }) => sql);
  const found = blocks.find((sql) => sql.startsWith(`-- ${comment}`));
  if (found === undefined) throw new Error(`docs/outbox.md has no SQL that begins with "-- ${comment}"`);
  return found.replaceAll('public', world.config.DATABASE_SCHEMA);
}

describe('millrace_enqueue', () => {
  test('gives ids like those of the API, that sort by time', async () => {
    const ids = [await enqueue('learning.process-edit', EDIT), await enqueue('learning.process-edit', EDIT)];
    const [first = '', second = ''] = ids;
    expect(ids.map(queueOfJobId)).toEqual(['learning', 'learning']);
    const madeMs = Number.parseInt(first.slice('learning_'.length, 'learning_'.length + 12), 16);
    expect(Math.abs(Date.now() - madeMs)).toBeLessThan(60_000);
    expect(first.slice(0, 21) <= second.slice(0, 21)).toBe(true);
    expect(first.slice(-20)).not.toBe(second.slice(-20));
  });

  test.each([
    'k',
    'order 17:18',
    'naïve café',
    '鍵と値',
    '🗝️ with 👩‍👩‍👧‍👦',
    'it\'s "quoted" \\ and\n\tbroken',
    'x'.repeat(255),
    '🗝'.repeat(255),
  ])('gives the key %j the id that the API gives it', async (key) => {
    for (const tenant of ['default', 'acme']) {
      const id = await enqueue('learning.process-edit', EDIT, { idempotencyKey: key, tenant });
      expect(id).toBe(jobIdFor(tenant, 'learning.process-edit', { kind: 'key', value: key }, 0));
    }
  });

  test.each([
    ['a job that is not named like one', 'Learning', {}, {}, 'named like queue.verb-object'],
    ['no job', null, {}, {}, 'named like queue.verb-object'],
    ['a payload that is a list', 'a.b', [], {}, 'must be a JSON object'],
    ['a payload that is null', 'a.b', null, {}, 'must be a JSON object'],
    ['a payload over 256 KB', 'a.b', { text: 'x'.repeat(262_144) }, {}, 'larger than 256 KB'],
    ['a payload nested 32 deep', 'a.b', nested(32), {}, 'nested more than 31 deep'],
    ['a payload with a key for prototypes', 'a.b', { a: [{ constructor: 1 }] }, {}, '"__proto__" or "constructor"'],
    ['a payload with such a key inside', 'a.b', JSON.parse('{"a":{"__proto__":{}}}'), {}, '"__proto__" or'],
    ['a number that would lose digits', 'a.b', { a: [{ b: -(2 ** 53) }] }, {}, 'beyond 2^53 - 1'],
    ['options that are a list', 'a.b', {}, [1], 'options must be a JSON object'],
    ['an unknown option', 'a.b', {}, { delay: 5 }, 'option "delay" is not known; there are attempts, delayMs'],
    ['a delay below zero', 'a.b', {}, { delayMs: -1 }, 'option "delayMs" must be a whole number'],
    ['a delay over a year', 'a.b', {}, { delayMs: 31_536_000_001 }, 'option "delayMs" must be'],
    ['a priority that is a text', 'a.b', {}, { priority: '1' }, 'option "priority" must be a whole number, 0 to 100'],
    ['a priority in a list', 'a.b', {}, { priority: [1] }, 'option "priority" must be a whole number, 0 to 100'],
    ['half an attempt', 'a.b', {}, { attempts: 1.5 }, 'option "attempts" must be a whole number, 1 to 25'],
    ['a timeout over a day', 'a.b', {}, { timeoutMs: 86_400_001 }, 'option "timeoutMs" must be'],
    ['eleven tags', 'a.b', {}, { tags: Array(11).fill('t') }, 'option "tags" must be at most 10'],
    ['a tag that is a number', 'a.b', {}, { tags: ['a', 1] }, 'option "tags" must be at most 10'],
    ['an empty tag', 'a.b', {}, { tags: [''] }, 'option "tags" must be at most 10'],
    ['a tenant in capitals', 'a.b', {}, { tenant: 'Acme' }, 'option "tenant" must be 1 to 64'],
    ['an empty key', 'a.b', {}, { idempotencyKey: '' }, 'option "idempotencyKey" must be a text of 1 to 255'],
    ['a key of 256', 'a.b', {}, { idempotencyKey: 'k'.repeat(256) }, 'option "idempotencyKey" must be a text of 1'],
    ['a time without its zone', 'a.b', {}, { runAt: '2026-11-21T10:00:00' }, 'option "runAt" must be an ISO 8601'],
    ['a time in two years', 'a.b', {}, { runAt: inYears(2) }, 'option "runAt" must be within a year'],
    ['a time and a delay', 'a.b', {}, { runAt: inYears(0), delayMs: 5 }, '"delayMs" or "runAt", not both'],
  ])('refuses %s, and says why', async (_what, job, payload, options, why) => {
    await expect(enqueue(job, payload, options)).rejects.toMatchObject({
      code: '22023',
      message: expect.stringContaining(why),
    });
    expect(await waitingRows()).toEqual([]);
  });

  test('accepts what is just within the limits, and null for what is not given', async () => {
    await enqueue('a.b', { text: 'x'.repeat(262_000) }, null);
    await enqueue('a.b', nested(31), { runAt: null, tags: null, delayMs: 0 });
    await enqueue('a.b', { n: [2 ** 53 - 1, -(2 ** 53 - 1), 0.1] }, { runAt: inYears(-1), tags: Array(10).fill('é') });
    const most = {
      attempts: 25,
      priority: 100,
      timeoutMs: 86_400_000,
      delayMs: 31_536_000_000,
      tenant: 'a'.repeat(64),
    };
    await enqueue(`${'a'.repeat(63)}.${'b'.repeat(63)}`, {}, most);
    expect(await waitingRows()).toHaveLength(4);
  });

  test('works whatever search path the caller has, also one that is laid out as a trap', async () => {
    const schema = `${world.name}_trap`;
    await client.query(`CREATE SCHEMA ${schema}`);
    const trap = await connect(`${schema},pg_temp,pg_catalog`);
    try {
      await trap.query(`CREATE TABLE ${schema}.outbox (id text)`);
      await trap.query('CREATE TABLE pg_temp.outbox (id text)');
      await trap.query(`CREATE FUNCTION ${schema}.split_part(text, text, integer) RETURNS text
        LANGUAGE sql AS $$ SELECT 'trapped' $$`);
      const id = await enqueue('learning.process-edit', EDIT, {}, trap);
      expect(queueOfJobId(id)).toBe('learning');
      expect(await waitingRows()).toEqual([id]);
    } finally {
      await trap.end();
      await client.query(`DROP SCHEMA ${schema} CASCADE`);
    }
  });

  test('may be called by a role that was granted what the page says, and may do nothing else', async () => {
    const role = `${world.name}_billing`;
    const url = new URL(world.config.DATABASE_URL);
    url.username = role;
    url.password = 'secret-of-a-test';
    await client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret-of-a-test'`);
    const billing = new pg.Client({ connectionString: url.href });
    try {
      await billing.connect();
      await expect(enqueue('learning.process-edit', EDIT, {}, billing)).rejects.toMatchObject({ code: '42501' });
      await client.query((await fromPage('let the role of another service')).replaceAll('billing', role));
      const id = await enqueue('learning.process-edit', EDIT, {}, billing);
      expect(await waitingRows()).toEqual([id]);
      const { DATABASE_SCHEMA: schema } = world.config;
      for (const forbidden of [
        `SELECT * FROM ${schema}.outbox`,
        `DELETE FROM ${schema}.outbox`,
        `INSERT INTO ${schema}.outbox DEFAULT VALUES`,
        `SELECT * FROM ${schema}.ledger`,
        `CREATE TABLE ${schema}.own (n int)`,
      ]) {
        await expect(billing.query(forbidden), forbidden).rejects.toMatchObject({ code: '42501' });
      }
    } finally {
      await billing.end();
      await client.query(`DROP OWNED BY ${role}`);
      await client.query(`DROP ROLE ${role}`);
    }
  });
});

describe('a row of the outbox', () => {
  test('that is committed is handed over at once, as it was asked for', async () => {
    await startRelay({ sweepMs: NEVER_MS });
    const runAt = new Date(Date.now() + 3_600_000);
    const options = { priority: 7, attempts: 3, timeoutMs: 30_000, tags: ['import', 'ada'], tenant: 'acme', runAt };
    await client.query('BEGIN');
    const id = await enqueue('learning.apply-feedback', FEEDBACK, { ...options, idempotencyKey: 'a key' });
    await client.query('COMMIT');
    await relayed();
    const job = await jobOf(id);
    expect(job).toMatchObject({
      name: 'learning.apply-feedback',
      data: {
        tenant: 'acme',
        payload: FEEDBACK,
        timeoutMs: 30_000,
        tags: ['import', 'ada'],
        runAt: runAt.getTime(),
        bodyHash: expect.any(String),
      },
      opts: { attempts: 3, priority: 7 },
    });
    const requestedAt = job?.timestamp ?? 0;
    expect(job?.opts.delay).toBe(runAt.getTime() - requestedAt);
    expect(Math.abs(Date.now() - requestedAt)).toBeLessThan(60_000);
  });

  test('is one job with the request that came over HTTP with its key', async () => {
    await startRelay({ sweepMs: NEVER_MS });
    const asked = { tenant: 'default', job: 'learning.apply-feedback', payload: FEEDBACK, idempotencyKey: 'both' };
    const { id } = await services.producer.enqueue(asked);
    expect(await enqueue('learning.apply-feedback', FEEDBACK, { idempotencyKey: 'both' })).toBe(id);
    await relayed();
    expect(await setAsideRows()).toEqual([]);
  });

  test('that is rolled back never existed', async () => {
    await startRelay({ sweepMs: NEVER_MS });
    await client.query('BEGIN');
    const never = await enqueue('learning.apply-feedback', FEEDBACK);
    await client.query('ROLLBACK');
    const after = await enqueue('learning.apply-feedback', FEEDBACK);
    await relayed();
    expect(await jobOf(after)).toBeDefined();
    expect(await jobOf(never)).toBeUndefined();
  });

  test('is found by those who ask for the job, only by its tenant, and only once it is committed', async () => {
    const relay = new OutboxRows({ database: services.database });
    await client.query('BEGIN');
    const id = await enqueue('learning.apply-feedback', FEEDBACK, { tenant: 'acme', delayMs: 5000 });
    expect(await relay.find('acme', id)).toBeUndefined();
    await client.query('COMMIT');
    expect(await relay.find('default', id)).toBeUndefined();
    const found = await relay.find('acme', id);
    expect(found).toMatchObject({ job: 'learning.apply-feedback', setAside: null });
    expect((found?.runAt?.getTime() ?? 0) - (found?.requestedAt.getTime() ?? 0)).toBe(5000);
  });

  test('whose job was cancelled goes away and is handed over to nobody', async () => {
    const id = await enqueue('learning.apply-feedback', FEEDBACK);
    expect(await services.inspector.job('default', id)).toMatchObject({ state: 'accepted' });
    expect(await services.inspector.cancel('default', id)).toMatchObject({ state: 'cancelled' });
    await startRelay();
    await relayed();
    expect(await jobOf(id)).toBeUndefined();
    expect(await services.inspector.job('default', id)).toMatchObject({ state: 'cancelled' });
  });

  test('whose NOTIFY was lost is found by the sweep', async () => {
    await startRelay({ sweepMs: 200 });
    // Written past the function, as a restored backup would: nobody is told.
    await client.query(`INSERT INTO outbox (id, tenant, job, payload, requested_at)
      VALUES ('learning_00000000000000000000000000000001', 'default', 'learning.apply-feedback',
        '${JSON.stringify(FEEDBACK)}', now())`);
    await relayed();
    expect(await jobOf('learning_00000000000000000000000000000001')).toBeDefined();
  });

  test('that was committed before any relay ran is found when one starts', async () => {
    const id = await enqueue('learning.apply-feedback', FEEDBACK);
    await startRelay({ sweepMs: NEVER_MS });
    await relayed();
    expect(await jobOf(id)).toBeDefined();
  });
});

describe('a wake-up', () => {
  test('that comes when a look has just found nothing is not lost', async () => {
    const real = new OutboxRows({ database: services.database });
    let heard = () => {};
    let ids: string[] = [];
    const rows: OutboxOptions['rows'] = {
      find: (tenant, id) => real.find(tenant, id),
      take: async (limit, work) => {
        const settled = await real.take(limit, work);
        if (ids.length === 0) {
          ids = [await enqueue('learning.apply-feedback', FEEDBACK)];
          heard();
        }
        return settled;
      },
    };
    const listener: OutboxOptions['listener'] = {
      onHeard: (told) => {
        heard = told;
      },
      start: async () => {},
      stop: async () => {},
    };
    const { logger, producer } = services;
    const relay = new Outbox({ rows, listener, producer, logger, sweepMs: NEVER_MS });
    relays.push(relay);
    await relay.start();
    await eventually(
      () => jobOf(ids[0] ?? ''),
      (job) => job !== undefined,
      5000,
    );
  });
});

describe('many rows', () => {
  test('of one transaction enter their queue in the order of the calls, however many relays there are', async () => {
    const handed: string[] = [];
    const producer: OutboxOptions['producer'] = {
      enqueue: (request) => {
        handed.push(String(request.tags?.[0]));
        return services.producer.enqueue(request);
      },
    };
    await Promise.all([1, 2, 3].map(() => startRelay({ producer, sweepMs: 50 })));
    const transactions = await Promise.all(['a', 'b', 'c', 'd'].map(async (name) => ({ name, by: await connect() })));
    await Promise.all(
      transactions.map(async ({ name, by }) => {
        await by.query('BEGIN');
        for (let call = 0; call < 250; call++) {
          await enqueue('learning.apply-feedback', FEEDBACK, { tags: [`${name}${String(call).padStart(3, '0')}`] }, by);
        }
        await by.query('COMMIT');
        await by.end();
      }),
    );
    await relayed();
    expect(handed).toHaveLength(1000);
    for (const { name } of transactions) {
      const own = handed.filter((tag) => tag.startsWith(name));
      expect(own).toEqual([...own].sort());
    }
    const queue = services.queues.get('learning');
    const entered = (await queue.getJobs(['wait'], 0, -1, true)).flatMap(({ data }) => data.tags ?? []);
    const ofA = entered.filter((tag) => /^a\d{3}$/.test(tag));
    expect(ofA).toHaveLength(250);
    expect(ofA).toEqual([...ofA].sort());
  });
});

describe('a row that can never be accepted', () => {
  test('is set aside with its reason, logged once and counted, and holds up no other', async () => {
    const { logger, lines } = recorder();
    const counted = { relayed: 0, 'set-aside': 0 };
    const onSettled: OutboxOptions['onSettled'] = (outcome, rows) => {
      counted[outcome] += rows;
    };
    await enqueue('learning.apply-feedback', FEEDBACK, { idempotencyKey: 'used' });
    await startRelay({ logger, onSettled, sweepMs: 50 });
    await relayed();

    await client.query('BEGIN');
    const ids = [
      await enqueue('learning.apply-feedbak', FEEDBACK),
      await enqueue('learning.apply-feedback', { ...FEEDBACK, rating: 9, extra: 1 }),
      await enqueue('learning.apply-feedback', { ...FEEDBACK, rating: 1 }, { idempotencyKey: 'used' }),
    ];
    const good = await enqueue('learning.apply-feedback', FEEDBACK);
    await client.query('COMMIT');
    await relayed();
    expect(await jobOf(good)).toBeDefined();

    expect(await setAsideRows()).toEqual([
      { id: ids[0], error_code: 'unknown-job', error_detail: expect.stringContaining('learning.apply-feedback?') },
      {
        id: ids[1],
        error_code: 'invalid-input',
        error_detail: expect.stringMatching(/\/payload\/rating: .*; \/payload\/extra: /),
      },
      { id: ids[2], error_code: 'idempotency-key-reused', error_detail: expect.stringContaining(ids[2] ?? '') },
    ]);
    // Another commit, and so another look: nothing is logged or counted twice.
    await enqueue('learning.apply-feedback', FEEDBACK);
    await relayed();
    const logged = lines.filter(({ level }) => level === 'error');
    expect(logged.map(({ code, jobId }) => [code, jobId])).toEqual([
      ['unknown-job', ids[0]],
      ['invalid-input', ids[1]],
      ['idempotency-key-reused', ids[2]],
    ]);
    expect(counted).toEqual({ relayed: 3, 'set-aside': 3 });
    const rows = new OutboxRows({ database: services.database });
    expect(await rows.find('default', ids[0] ?? '')).toMatchObject({ setAside: { code: 'unknown-job' } });
    const view = await services.inspector.job('default', ids[1] ?? '');
    expect(view).toMatchObject({ state: 'dead', error: { code: 'invalid-input' } });
  });

  test('is put off and tried again first, when the reason is one that nobody foresaw', async () => {
    const { logger, lines } = recorder();
    let failures = 0;
    const producer: OutboxOptions['producer'] = {
      enqueue: async (request) => {
        if (request.tags?.[0] === 'odd' && failures++ === 0) throw new TypeError('a mistake of our own');
        return services.producer.enqueue(request);
      },
    };
    const id = await enqueue('learning.apply-feedback', FEEDBACK, { tags: ['odd'] });
    const other = await enqueue('learning.apply-feedback', FEEDBACK);
    await startRelay({ logger, producer, sweepMs: 50 });
    await eventually(waitingRows, (ids) => !ids.includes(other), 5000);
    expect(await waitingRows()).toEqual([id]);
    await relayed();
    expect(await jobOf(id)).toBeDefined();
    expect(lines.filter(({ why }) => why === 'a mistake of our own')).toHaveLength(1);
  });

  test('is set aside as internal when it has failed five times in such a way', async () => {
    const producer: OutboxOptions['producer'] = {
      enqueue: () => Promise.reject(new TypeError('a mistake of our own')),
    };
    const id = await enqueue('learning.apply-feedback', FEEDBACK);
    await client.query('UPDATE outbox SET tries = 4');
    await startRelay({ producer });
    await relayed();
    expect(await setAsideRows()).toEqual([{ id, error_code: 'internal', error_detail: 'a mistake of our own' }]);
  });
});

describe('docs/outbox.md', () => {
  test('shows SQL that works: both or neither, every option, what waits', async () => {
    await client.query('CREATE TABLE articles (id text PRIMARY KEY, author text, draft text, final text)');
    await client.query(await fromPage('an article and the job'));
    const [id = '', ...others] = await waitingRows();
    expect(others).toEqual([]);
    // The same article again: the transaction fails, and asks for nothing.
    await expect(client.query(await fromPage('an article and the job'))).rejects.toMatchObject({ code: '23505' });
    await client.query('ROLLBACK');
    expect(await waitingRows()).toEqual([id]);
    await client.query(await fromPage('the same, with every option'));
    const { rows } = await client.query(await fromPage('what waits'));
    expect(rows).toMatchObject([{ waiting: '2' }]);

    const [, second = ''] = await waitingRows();
    await startRelay({ sweepMs: NEVER_MS });
    await relayed();
    expect(await setAsideRows()).toEqual([]);
    expect(await jobOf(id)).toMatchObject({ data: { tenant: 'default', payload: { contentId: 'post-1' } } });
    const job = await jobOf(second);
    expect(job).toMatchObject({
      data: { tenant: 'acme', tags: ['import', 'ada'] },
      opts: { attempts: 3, priority: 1 },
    });
    expect(Math.abs((job?.opts.delay ?? 0) - 5000)).toBeLessThan(2000);
  });

  test('shows how to list what was set aside, let it try again, and drop it', async () => {
    await startRelay({ sweepMs: 100 });
    const [mended, dropped] = [
      await enqueue('learning.process-edit', { ...EDIT, extra: 1 }),
      await enqueue('learning.process-edit', { ...EDIT, extra: 2 }),
    ];
    await relayed();
    const { rows } = await client.query(await fromPage('what was set aside'));
    expect(rows.map(({ id, error_code }) => [id, error_code]).sort()).toEqual(
      [mended, dropped].map((id) => [id, 'invalid-input']).sort(),
    );
    await client.query(`UPDATE outbox SET payload = payload - 'extra' WHERE id = '${mended}'`);
    await client.query(await fromPage('try again'));
    await relayed();
    expect(await jobOf(mended)).toBeDefined();
    expect((await setAsideRows()).map(({ id }) => id)).toEqual([dropped]);
    await client.query(await fromPage('drop'));
    expect(await setAsideRows()).toEqual([]);
  });

  test('shows Node code that works with pg', async () => {
    const code = /```js\n(.*?)```/s.exec(await readPage('docs/outbox.md'))?.[1] ?? '';
    await client.query(
      'CREATE TABLE IF NOT EXISTS articles (id text PRIMARY KEY, author text, draft text, final text)',
    );
    const AsyncFunction = (async () => {}).constructor as new (
      ...parts: string[]
    ) => (...args: unknown[]) => Promise<string>;
    const save = new AsyncFunction('pool', 'id', 'author', 'draft', 'final', code);
    const pool = { connect: async () => ({ query: client.query.bind(client), release: () => {} }) };
    const id = await save(pool, 'post-3', 'ada', 'Perhaps we could.', 'We can.');
    expect(await waitingRows()).toEqual([id]);
    await expect(save(pool, 'post-3', 'ada', 'Perhaps we could.', 'We can.')).rejects.toMatchObject({ code: '23505' });
    expect(await waitingRows()).toEqual([id]);
  });
});

/** An object of this many containers, one inside the other. */
function nested(depth: number): object {
  return depth === 1 ? {} : { a: nested(depth - 1) };
}

function inYears(years: number): string {
  return new Date(Date.now() + years * 31_536_000_000).toISOString();
}
