/** Accepting as a web process does, on a Redis that is killed, emptied, filled and set back. */

import { mkdir, readdir, readFile, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { UnrecoverableError, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SetAside } from '../../src/journal/set-aside.ts';
import { Deadline } from '../../src/lifecycle.ts';
import type { Services } from '../../src/services.ts';
import { openJournal, write } from '../support/journal-folder.ts';
import { eventually } from '../support/millrace-process.ts';
import { FIXTURE_JOBS, startProducerSide, stopProducerSide } from '../support/producer-side.ts';
import { type PrivateStore, startPrivateRedis } from '../support/stores.ts';
import { createWorld, type World, type WorldOptions } from '../support/world.ts';

let redis: PrivateStore;
let world: World;
let services: Services;

async function begin(environment: WorldOptions['environment'] = {}) {
  world = await createWorld({ stores: { redis: redis.url }, environment });
  services = await startProducerSide(world, FIXTURE_JOBS, { journal: true });
}

beforeEach(async () => {
  redis = await startPrivateRedis();
});

afterEach(async () => {
  redis.resume();
  await services.redis.ping().catch(() => redis.restart());
  await services.redis.config('SET', 'maxmemory', '0').catch(() => undefined);
  await stopProducerSide(services);
  await world.close();
  await redis.stop();
});

const ask = (n: number, more: object = {}) =>
  services.producer.enqueue({ tenant: 'default', job: 'learning.chaos-bare', payload: { n }, ...more });
const queue = () => services.queues.get('learning');
const stateOf = async (id: string) => (await services.inspector.job('default', id)).state;
const figures = () => services.acceptance?.figures;
const drained = () =>
  eventually(
    async () => figures()?.pending,
    (pending) => pending === 0,
    20_000,
  );
const numbersWaiting = async () =>
  (await queue().getWaiting(0, -1)).map((job) => (job.data.payload as { n: number }).n);

describe('while all is well', () => {
  it('answers once the job is on disk and in its queue', async () => {
    await begin();
    const { id, state } = await ask(1);
    expect(state).toBe('waiting');
    expect(await stateOf(id)).toBe('waiting');
    expect((await ask(2, { runAt: new Date(Date.now() + 60_000) })).state).toBe('delayed');
    await eventually(
      async () => figures()?.open,
      (open) => open === 2,
      10_000,
    );
  });

  it('forgets a job once it has been removed, and never brings it back', async () => {
    await begin();
    const { id } = await ask(1);
    await services.inspector.cancel('default', id);
    await eventually(
      async () => figures()?.open,
      (open) => open === 0,
      15_000,
    );
    expect(await stateOf(id)).toBe('cancelled');
    expect(await numbersWaiting()).toEqual([]);
  });

  it('leaves no folder behind when nothing in it is needed', async () => {
    await begin();
    const { id } = await ask(1);
    await services.inspector.cancel('default', id);
    await eventually(
      async () => figures()?.open,
      (open) => open === 0,
      15_000,
    );
    await stopProducerSide(services);
    expect(await readdir(world.config.JOURNAL_DIR ?? '')).toEqual(['set-aside']);
    services = await startProducerSide(world, FIXTURE_JOBS, { journal: true });
  });
});

describe('while Redis is away', () => {
  it('keeps the order of a queue across the outage', async () => {
    await begin();
    for (let n = 0; n < 20; n++) await ask(n);
    await redis.kill();
    for (let n = 20; n < 60; n++) expect((await ask(n)).state).toBe('accepted');
    await redis.restart();
    for (let n = 60; n < 80; n++) await ask(n);
    await drained();
    expect((await numbersWaiting()).join(' ')).toBe(Array.from({ length: 80 }, (_, n) => n).join(' '));
  });

  it('a job can be seen and cancelled, and is not handed over', async () => {
    await begin();
    await redis.kill();
    // What was asked just when Redis went away may have reached it: only later ones are certain to be here alone.
    await eventually(
      async () => services.redisBreaker.state,
      (state) => state !== 'closed',
      10_000,
    );
    const { id } = await ask(1);
    const other = await ask(2);
    expect(await stateOf(id)).toBe('accepted');
    await expect(services.inspector.job('acme', id)).rejects.toMatchObject({ code: 'state-unknown' });
    expect((await services.inspector.cancel('default', id)).state).toBe('cancelled');
    expect(await stateOf(id)).toBe('cancelled');
    await redis.restart();
    await drained();
    expect(await numbersWaiting()).toEqual([2]);
    expect(await stateOf(id)).toBe('cancelled');
    expect(await stateOf(other.id)).toBe('waiting');
  });

  it('a repeat gets the first answer, and another request under the same key is refused', async () => {
    await begin();
    await redis.kill();
    const first = await ask(1, { idempotencyKey: 'k' });
    expect(await ask(1, { idempotencyKey: 'k' })).toMatchObject({
      id: first.id,
      requestedAt: first.requestedAt,
      status: 'duplicate',
    });
    await expect(ask(2, { idempotencyKey: 'k' })).rejects.toMatchObject({ code: 'idempotency-key-reused' });
    await redis.restart();
    await drained();
    expect(await numbersWaiting()).toEqual([1]);
  });

  it('a delay that has passed meanwhile is none any more', async () => {
    await begin();
    await redis.kill();
    const soon = await ask(1, { runAt: new Date(Date.now() + 300) });
    await eventually(
      async () => Date.now(),
      (now) => now > Date.parse(soon.runAt ?? '') + 10,
      5000,
    );
    await redis.restart();
    await drained();
    expect(await stateOf(soon.id)).toBe('waiting');
  });

  it('refuses beyond the limit, and accepts again once Redis is back', async () => {
    await begin({ JOURNAL_MAX_JOBS: '5' });
    await redis.kill();
    for (let n = 0; n < 5; n++) await ask(n);
    await expect(ask(5)).rejects.toMatchObject({ code: 'journal-full', status: 503, retryAfterSeconds: 5 });
    await redis.restart();
    await drained();
    expect((await ask(6)).state).toBe('waiting');
  });

  it('refuses new jobs when others have been waiting for too long', async () => {
    await begin({ JOURNAL_MAX_AGE_MINUTES: '0.005' });
    await redis.kill();
    await eventually(
      () =>
        ask(1).then(
          () => undefined,
          (error: unknown) => error,
        ),
      (error) => error !== undefined,
      10_000,
    ).then((error) => expect(error).toMatchObject({ code: 'journal-full', retryAfterSeconds: 30 }));
    await redis.restart();
    await drained();
  });

  it('another process takes over the journal of one that has ended', async () => {
    await begin();
    await redis.kill();
    const { id } = await ask(1);
    await stopProducerSide(services);
    services = await startProducerSide(world, FIXTURE_JOBS, { journal: true });
    expect(await stateOf(id)).toBe('accepted');
    await redis.restart();
    await drained();
    expect(await numbersWaiting()).toEqual([1]);
  });
});

describe('two web processes', () => {
  it('the other one says accepted of what waits here, once Redis is back and before it is handed over', async () => {
    await begin();
    const other = await startProducerSide(world, FIXTURE_JOBS, { journal: true });
    try {
      await redis.kill();
      const ids: string[] = [];
      for (let n = 0; n < 3000; n += 100) {
        const asked = await Promise.all(Array.from({ length: 100 }, (_, index) => ask(n + index)));
        ids.push(...asked.map(({ id }) => id));
      }
      await expect(other.inspector.job('default', ids[0] ?? '')).rejects.toMatchObject({ code: 'state-unknown' });
      await redis.restart();
      const seen = new Set<string>();
      await eventually(
        async () => {
          const state = await other.inspector
            .job('default', ids.at(-1) ?? '')
            .then((job) => job.state)
            .catch((error: { code: string }) => error.code);
          seen.add(state);
          return state;
        },
        (state) => state === 'waiting',
        20_000,
      );
      // Never "not found": it was accepted all along.
      expect([...seen].filter((state) => !['state-unknown', 'accepted', 'waiting'].includes(state))).toEqual([]);
      await drained();
    } finally {
      await stopProducerSide(other);
    }
  });

  it('a running one looks whether Redis still has what it takes in, and drops what was cancelled', async () => {
    await begin();
    const directory = world.config.JOURNAL_DIR ?? '';
    const left = join(directory, 'aaaaaaaaaaaa.1.bbbbbbbbbbbb.00c0ffee');
    await mkdir(left);
    const job = (n: number) => ({
      id: `learning_${String(n).padStart(32, '0')}`,
      queue: 'learning',
      name: 'learning.chaos-bare',
      tenant: 'default',
      data: JSON.stringify({ tenant: 'default', payload: { n }, requestedAt: Date.now(), timeoutMs: 1000 }),
      requestedAt: Date.now(),
      runAt: 0,
      priority: 0,
      attempts: 1,
      keyed: false,
    });
    const journal = await openJournal(left);
    await write(journal, [job(1), job(2), job(3)]);
    // The first was handed over before Redis was emptied; the third was cancelled while it waited.
    journal.handed(2);
    await journal.stop(Deadline.in(5000));
    await services.ledger.cancel({ jobId: job(3).id, tenant: 'default', job: 'learning.chaos-bare' });
    const lifeless = Date.now() / 1000 - 61;
    await utimes(left, lifeless, lifeless);
    await eventually(numbersWaiting, (numbers) => numbers.length >= 2, 15_000);
    expect((await numbersWaiting()).sort()).toEqual([1, 2]);
    await drained();
    expect(await stateOf(job(3).id)).toBe('cancelled');
  });

  it('a running one takes in what an ended one has left', async () => {
    await begin();
    const directory = world.config.JOURNAL_DIR ?? '';
    const left = join(directory, `aaaaaaaaaaaa.1.bbbbbbbbbbbb.00c0ffee`);
    await mkdir(left);
    const id = 'learning_00000000000000000000000000c0ffee';
    const data = JSON.stringify({ tenant: 'default', payload: { n: 7 }, requestedAt: Date.now(), timeoutMs: 1000 });
    const job = {
      id,
      queue: 'learning',
      name: 'learning.chaos-bare',
      tenant: 'default',
      data,
      requestedAt: Date.now(),
    };
    const journal = await openJournal(left);
    await write(journal, [{ ...job, runAt: 0, priority: 0, attempts: 1, keyed: false }]);
    await journal.stop(Deadline.in(5000));
    const lifeless = Date.now() / 1000 - 61;
    await utimes(left, lifeless, lifeless);
    await eventually(numbersWaiting, (numbers) => numbers.includes(7), 15_000);
    expect(await readdir(directory)).not.toContain('aaaaaaaaaaaa.1.bbbbbbbbbbbb.00c0ffee');
  });
});

describe('when Redis has lost what it was given', () => {
  it('has a dead job that was let run again', async () => {
    await begin();
    const { id } = await ask(1);
    const worker = new Worker('learning', async () => Promise.reject(new UnrecoverableError('internal: no')), {
      connection: { url: world.config.REDIS_URL, maxRetriesPerRequest: null },
      prefix: world.config.QUEUE_PREFIX,
    });
    try {
      await eventually(
        async () => stateOf(id),
        (state) => state === 'dead',
        10_000,
      );
    } finally {
      await worker.close();
    }
    await eventually(
      async () => figures()?.open,
      (open) => open === 0,
      15_000,
    );
    await services.inspector.retry('default', id);
    await services.redis.flushall();
    await eventually(numbersWaiting, (numbers) => numbers.includes(1), 15_000);
  });

  it('hands everything unfinished over again after FLUSHALL, to be looked up in the ledger first', async () => {
    await begin();
    const ids = [];
    for (let n = 0; n < 50; n++) ids.push((await ask(n)).id);
    await eventually(
      async () => figures()?.open,
      (open) => open === 50,
      10_000,
    );
    await services.redis.flushall();
    await eventually(
      async () => (await numbersWaiting()).length,
      (length) => length === 50,
      15_000,
    );
    const job = await queue().getJob(ids[3] ?? '');
    expect(job?.data).toMatchObject({ recheck: true, payload: { n: 3 } });
  });

  it('finds what is lost again soon after it was handed over again', async () => {
    await begin();
    for (let n = 0; n < 20; n++) await ask(n);
    await eventually(
      async () => figures()?.open,
      (open) => open === 20,
      10_000,
    );
    await services.redis.flushall();
    await eventually(numbersWaiting, (numbers) => numbers.length === 20, 15_000);
    // As on a replica that lags: a part of it is gone, and the mark is an older one.
    const marks = `${world.config.QUEUE_PREFIX}:millrace:journal-marks`;
    for (const job of await queue().getWaiting(0, 9)) await job.remove();
    const [field = ''] = await services.redis.hkeys(marks);
    await services.redis.hset(marks, field, `21 ${Date.now() - 1000}`);
    await eventually(numbersWaiting, (numbers) => numbers.length === 20, 15_000);
  });

  it('works on a Redis that forbids INFO', async () => {
    world = await createWorld({ stores: { redis: redis.url } });
    const operator = new Redis(redis.url);
    await operator.acl('SETUSER', 'managed', 'on', '>managed-secret', '~*', '&*', '+@all', '-info', '-config');
    operator.disconnect();
    await world.close();
    const url = new URL(redis.url);
    url.username = 'managed';
    url.password = 'managed-secret';
    world = await createWorld({ stores: { redis: url.href } });
    services = await startProducerSide(world, FIXTURE_JOBS, { journal: true });
    expect((await ask(1)).state).toBe('waiting');
  });

  it('does not bring back a job that was cancelled before', async () => {
    await begin();
    const [kept, gone] = [await ask(1), await ask(2)];
    await services.inspector.cancel('default', gone.id);
    await services.redis.flushall();
    await eventually(numbersWaiting, (numbers) => numbers.length > 0, 15_000);
    expect(await numbersWaiting()).toEqual([1]);
    expect(await stateOf(kept.id)).toBe('waiting');
    expect(await stateOf(gone.id)).toBe('cancelled');
  });

  it('finds out when an old copy was restored: the mark is older than the last one', async () => {
    await begin();
    const { id } = await ask(1);
    const marks = `${world.config.QUEUE_PREFIX}:millrace:journal-marks`;
    await eventually(
      async () => figures()?.open,
      (open) => open === 1,
      10_000,
    );
    const field = await eventually(
      async () => Object.entries(await services.redis.hgetall(marks))[0],
      (mark) => mark?.[1]?.startsWith('2 ') === true,
      10_000,
    );
    await queue().remove(id);
    await services.redis.hset(marks, field?.[0] ?? '', `1 ${Date.now() - 5000}`);
    await eventually(numbersWaiting, (numbers) => numbers.length === 1, 15_000);
  });
});

describe('a job that Redis refuses', () => {
  it('is set aside after three refusals, whole, and holds up no other', async () => {
    await begin();
    await redis.kill();
    const bad = await ask(1);
    const good = await ask(2);
    await redis.restart();
    await drained();
    expect(await stateOf(good.id)).toBe('waiting');
    expect(await stateOf(bad.id)).toBe('waiting');
    await services.redis.rename(
      `${world.config.QUEUE_PREFIX}:learning:meta`,
      `${world.config.QUEUE_PREFIX}:learning:gone`,
    );
    await services.redis.set(`${world.config.QUEUE_PREFIX}:learning:meta`, 'not a hash');
    const refused = await ask(3);
    expect(refused.state).toBe('accepted');
    await eventually(
      async () => figures()?.setAside,
      (count) => count === 1,
      15_000,
    );
    const file = join(world.config.JOURNAL_DIR ?? '', 'set-aside', `${refused.id}.json`);
    const aside: { reason: string; envelope: { payload: unknown } } = JSON.parse(await readFile(file, 'utf8'));
    expect(aside).toMatchObject({ reason: expect.stringContaining('WRONGTYPE'), envelope: { payload: { n: 3 } } });
    await services.redis.rename(
      `${world.config.QUEUE_PREFIX}:learning:gone`,
      `${world.config.QUEUE_PREFIX}:learning:meta`,
    );
    expect((await ask(4)).state).toBe('waiting');
    // Whoever has mended it lets the job try again, and a running process takes it up.
    const files = new SetAside({ directory: world.config.JOURNAL_DIR ?? '' });
    expect((await files.list()).map(({ entry }) => entry.id)).toEqual([refused.id]);
    expect(await files.retry(refused.id)).toBe(true);
    expect(await files.retry(refused.id)).toBe(false);
    await eventually(
      () => stateOf(refused.id).catch((error: { code: string }) => error.code),
      (state) => state === 'waiting',
      15_000,
    );
    await eventually(
      async () => figures()?.setAside,
      (count) => count === 0,
      15_000,
    );
  });
});

describe('a Redis whose memory is full', () => {
  it('takes nothing, and gets everything once there is room', async () => {
    await begin();
    await services.redis.config('SET', 'maxmemory', '1mb');
    const { id, state } = await ask(1);
    expect(state).toBe('accepted');
    expect(await stateOf(id)).toBe('accepted');
    await services.redis.config('SET', 'maxmemory', '0');
    await drained();
    expect(await numbersWaiting()).toEqual([1]);
  });
});

describe('ACCEPT=redis', () => {
  it('goes to Redis first, and to the journal while it is away', async () => {
    await begin({ ACCEPT: 'redis' });
    // Without a journal a job is as durable as Redis makes it.
    await services.redis.config('SET', 'appendfsync', 'always');
    expect((await ask(1)).state).toBe('waiting');
    expect(figures()).toMatchObject({ bytes: 0 });
    await redis.kill();
    expect((await ask(2)).state).toBe('accepted');
    await redis.restart();
    await drained();
    expect((await numbersWaiting()).sort()).toEqual([1, 2]);
  });
});
