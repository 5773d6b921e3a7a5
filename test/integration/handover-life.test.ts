import { Worker } from 'bullmq';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Handover, type HandoverJob, MOST_LOOKED_AT, MOST_PER_CALL } from '../../src/accepting/handover.ts';
import { Deadline } from '../../src/lifecycle.ts';
import { createLogger } from '../../src/logger.ts';
import type { Envelope } from '../../src/queue/envelope.ts';
import { type MillraceQueue, Queues } from '../../src/queue/queues.ts';
import { isRedisAway } from '../../src/redis/breaker.ts';
import { closeRedis, connectRedis, redisReady, type ScriptedRedis } from '../../src/redis/connections.ts';
import { eventually } from '../support/millrace-process.ts';
import { type PrivateStore, startPrivateRedis } from '../support/stores.ts';
import { createWorld, type World } from '../support/world.ts';

const QUEUE = 'work';
const DAY_MS = 86_400_000;
/** How long a test waits for what should happen at once. BullMQ's blocking read lasts 10 s, and is not to end by itself. */
const SOON_MS = 5000;
const BLOCK_SECONDS = 10;
const logger = createLogger({ level: 'silent', role: 'test' });

/** A job of the queue, plain and requested now unless told. */
function job(id: string, more: Partial<HandoverJob> = {}): HandoverJob {
  const data = JSON.stringify({ tenant: 'default', payload: { id }, requestedAt: Date.now(), timeoutMs: 60_000 });
  return { id, name: 'work.do', data, timestamp: Date.now(), delayMs: 0, priority: 0, attempts: 1, ...more };
}

type Work = Worker<Envelope, unknown, string>;

/** A handover over a Redis, with what closes it. */
async function startHandover(url: string, prefix: string, bullmqVersion?: string) {
  const redis = connectRedis({ url, role: 'producer', name: 'handover', logger });
  await redisReady(redis, 5000);
  const queues = new Queues({ names: [QUEUE], redis, prefix, logger });
  const handover = new Handover({
    queues,
    redis,
    prefix,
    logger,
    ...(bullmqVersion !== undefined && { bullmqVersion }),
  });
  const stop = async () => {
    await queues.stop(Deadline.in(1000));
    await closeRedis(redis, 500);
  };
  return { redis, queues, queue: queues.get(QUEUE), handover, stop };
}

describe('jobs that were handed over', () => {
  let world: World;
  let redis: ScriptedRedis;
  let queue: MillraceQueue;
  let handover: Handover;
  let stop: () => Promise<void>;
  let blocking: ScriptedRedis;
  const workers: Work[] = [];

  beforeAll(async () => {
    world = await createWorld({ migrate: false });
    blocking = connectRedis({ url: world.config.REDIS_URL, role: 'worker', name: 'handover:worker', logger });
    await redisReady(blocking, 5000);
  });

  beforeEach(async () => {
    await blocking.flushdb();
    ({ redis, queue, handover, stop } = await startHandover(world.config.REDIS_URL, world.config.QUEUE_PREFIX));
  });

  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.close()));
    await stop();
  });

  afterAll(async () => {
    await closeRedis(blocking);
    await world.close();
  });

  /** A stock Worker, one job at a time; `done` is what it has finished, in order. */
  function startWorker(): { readonly done: { readonly id: string; readonly atMs: number }[] } {
    const done: { id: string; atMs: number }[] = [];
    const work = async ({ id = '' }: { id?: string | undefined }) => void done.push({ id, atMs: Date.now() });
    const options = { connection: blocking, prefix: world.config.QUEUE_PREFIX, drainDelay: BLOCK_SECONDS };
    const worker: Work = new Worker<Envelope, unknown, string>(QUEUE, work, options);
    worker.on('error', (error) => done.push({ id: `error: ${error.message}`, atMs: Date.now() }));
    workers.push(worker);
    return { done };
  }

  /** Takes jobs when the test says so. */
  function startTaker(): Work {
    const taker: Work = new Worker(QUEUE, null, {
      connection: blocking,
      prefix: world.config.QUEUE_PREFIX,
      autorun: false,
    });
    workers.push(taker);
    return taker;
  }

  async function take(taker: Work) {
    const taken = await taker.getNextJob('token', { block: false });
    if (taken === undefined) throw new Error('There is no job to take.');
    return taken;
  }

  /** Wait until a worker of this world sits in its blocking read. */
  async function untilBlocked(): Promise<void> {
    const own = new URL(world.config.REDIS_URL).pathname.slice(1);
    const clients = async () => String(await redis.client('LIST')).split('\n');
    const blocked = (line: string) =>
      line.includes(` db=${own} `) && line.includes(' cmd=bzpopmin ') && / flags=\w*b/.test(line);
    await eventually(clients, (lines) => lines.some(blocked), SOON_MS);
  }

  const ids = (done: readonly { readonly id: string }[]) => done.map(({ id }) => id);

  test('are taken and finished by a stock worker: plain ones first, then by priority, delayed ones when they are due', async () => {
    const now = Date.now();
    const jobs = [
      job('later', { timestamp: now, delayMs: 1000 }),
      job('low', { priority: 9 }),
      job('first'),
      job('high', { priority: 1 }),
      job('second'),
      job('high-too', { priority: 1 }),
    ];
    expect(await handover.add(QUEUE, jobs)).toEqual(jobs.map(() => true));
    const { done } = startWorker();
    await eventually(
      async () => ids(done),
      (all) => all.length >= jobs.length,
      SOON_MS,
    );
    expect(ids(done)).toEqual(['first', 'second', 'high', 'high-too', 'low', 'later']);
    expect(done.at(-1)?.atMs).toBeGreaterThanOrEqual(now + 1000);
    const looks = async () => handover.look(QUEUE, ids(jobs));
    await eventually(looks, (all) => all.every((each) => each === 'finished'), SOON_MS);
    expect(await queue.getJobCounts()).toMatchObject({
      completed: jobs.length,
      waiting: 0,
      delayed: 0,
      prioritized: 0,
    });
  });

  test.each([
    ['a plain job', {}],
    ['a job with a priority', { priority: 5 }],
    ['a job whose delay has passed', { timestamp: Date.now() - DAY_MS, delayMs: 1000 }],
    ['a job with a short delay', { delayMs: 200 }],
  ])('wake a worker that waits: %s', async (_what, more) => {
    const { done } = startWorker();
    await untilBlocked();
    await handover.add(QUEUE, [job('awaited', more)]);
    await eventually(
      async () => ids(done),
      (all) => all.length > 0,
      SOON_MS,
    );
    expect(ids(done)).toEqual(['awaited']);
  });

  test('wake a worker that waits for a later one', async () => {
    await handover.add(QUEUE, [job('later', { delayMs: DAY_MS })]);
    const { done } = startWorker();
    await untilBlocked();
    await handover.add(QUEUE, [job('sooner', { delayMs: 100 })]);
    await eventually(
      async () => ids(done),
      (all) => all.length > 0,
      SOON_MS,
    );
    expect(ids(done)).toEqual(['sooner']);
    expect(await handover.look(QUEUE, ['later', 'sooner'])).toContain('open');
  });

  test('wait while the queue is paused, and start when it goes on', async () => {
    await queue.pause();
    const { done } = startWorker();
    await untilBlocked();
    await handover.add(QUEUE, [job('a'), job('b', { priority: 2 })]);
    expect(await queue.getJobCounts('waiting', 'prioritized')).toEqual({ waiting: 1, prioritized: 1 });
    expect(await redis.exists(queue.toKey('marker'))).toBe(0);
    await queue.resume();
    await eventually(
      async () => ids(done),
      (all) => all.length >= 2,
      SOON_MS,
    );
    expect(ids(done)).toEqual(['a', 'b']);
  });

  test('keep their order over many calls', async () => {
    const jobs = Array.from({ length: 500 }, (_, place) => job(`j-${place}`));
    for (let from = 0; from < jobs.length; from += MOST_PER_CALL) {
      await handover.add(QUEUE, jobs.slice(from, from + MOST_PER_CALL));
    }
    const { done } = startWorker();
    await eventually(
      async () => done.length,
      (count) => count >= jobs.length,
      SOON_MS,
    );
    expect(ids(done)).toEqual(ids(jobs));
  });

  test('run beside the jobs of a scheduler', async () => {
    await queue.upsertJobScheduler('tick', { every: 100 }, { name: 'work.tick' });
    const { done } = startWorker();
    const names = ['a', 'b', 'c', 'd'];
    for (const name of names) {
      const ticksBefore = ids(done).filter((id) => id.startsWith('repeat:')).length;
      await handover.add(QUEUE, [job(name), job(`${name}-delayed`, { delayMs: 20 })]);
      const ticks = async () => ids(done).filter((id) => id.startsWith('repeat:')).length;
      await eventually(ticks, (count) => count > ticksBefore, SOON_MS);
    }
    await eventually(
      async () => ids(done),
      (all) => names.every((name) => all.includes(`${name}-delayed`)),
      SOON_MS,
    );
    await queue.removeJobScheduler('tick');
    const others = ids(done).filter((id) => !id.startsWith('repeat:'));
    expect(others.toSorted()).toEqual(names.flatMap((name) => [name, `${name}-delayed`]));
  });

  test('are seen by everything that looks at a queue, as the board does', async () => {
    const jobs = [job('plain', { attempts: 25 }), job('ranked', { priority: 4 }), job('later', { delayMs: DAY_MS })];
    await handover.add(QUEUE, jobs);
    const states = { plain: 'waiting', ranked: 'prioritized', later: 'delayed' } as const;
    for (const { id, name, data, timestamp, delayMs, priority, attempts } of jobs) {
      const state = states[id as keyof typeof states];
      const found = await queue.getJob(id);
      expect(await found?.getState()).toBe(state);
      expect((await queue.getJobs([state])).map((each) => each.id)).toEqual([id]);
      expect(found).toMatchObject({ id, name, timestamp, priority, delay: delayMs, data: JSON.parse(data) });
      expect(found?.opts).toMatchObject({ jobId: id, attempts, timestamp, backoff: { type: 'custom' } });
    }
    expect(await queue.getJobCounts()).toMatchObject({ waiting: 1, prioritized: 1, delayed: 1, active: 0 });
  });

  test('are finished, open or missing, whatever happens to them', async () => {
    const other = await startHandover(world.config.REDIS_URL, world.config.QUEUE_PREFIX, '6.8.0');
    try {
      const taker = startTaker();
      const expectBoth = async (wanted: Record<string, string>) => {
        for (const one of [handover, other.handover]) {
          expect(await one.look(QUEUE, Object.keys(wanted))).toEqual(Object.values(wanted));
        }
      };
      await handover.add(QUEUE, [job('one'), job('two', { attempts: 2 }), job('three'), job('four'), job('five')]);
      const [one, two, three] = [await take(taker), await take(taker), await take(taker)];
      await one.moveToCompleted({ result: 1 }, 'token', false);
      two.opts.backoff = 0;
      await two.moveToFailed(new Error('again'), 'token', false);
      await three.moveToFailed(new Error('no'), 'token', false);
      await handover.add(QUEUE, [job('ranked', { priority: 1 }), job('later', { delayMs: DAY_MS })]);
      await take(taker);
      await queue.remove('five');
      const open = { two: 'open', four: 'open', ranked: 'open', later: 'open' };
      await expectBoth({ one: 'finished', three: 'finished', ...open, five: 'missing', never: 'missing' });
      await (await queue.getJob('three'))?.retry('failed');
      await (await queue.getJob('one'))?.retry('completed');
      await expectBoth({ one: 'open', three: 'open', ...open });
      await redis.flushdb();
      await expectBoth({ one: 'missing', three: 'missing', later: 'missing' });
    } finally {
      await other.stop();
    }
  });

  test('are told as new to one of two that add the same at once', async () => {
    for (const version of [undefined, '6.8.0']) {
      const other = await startHandover(world.config.REDIS_URL, world.config.QUEUE_PREFIX, version);
      try {
        const id = `same-${version}`;
        const both = [other.handover.add(QUEUE, [job(id, { timestamp: 1000 })]), other.handover.add(QUEUE, [job(id)])];
        expect((await Promise.all(both)).flat().toSorted()).toEqual([false, true]);
      } finally {
        await other.stop();
      }
    }
  });

  test.each<[string, readonly HandoverJob[]]>([
    ['more than the most', Array.from({ length: MOST_PER_CALL + 1 }, (_, place) => job(`j-${place}`))],
    ['an empty id', [job('a'), job('')]],
    ['an id that is a number', [job('a'), job('17')]],
    ['an id with a colon', [job('a'), job('a:b')]],
    ['an id that is a key of the queue', [job('a'), job('wait')]],
    ['no timestamp', [job('a'), job('b', { timestamp: 0 })]],
    ['half a millisecond', [job('a'), job('b', { timestamp: 1.5 })]],
    ['a delay below zero', [job('a'), job('b', { delayMs: -1 })]],
    ['an endless delay', [job('a'), job('b', { delayMs: Number.POSITIVE_INFINITY })]],
    ['a delay that is no number', [job('a'), job('b', { delayMs: Number.NaN })]],
    ['a priority beyond the last', [job('a'), job('b', { priority: 2 ** 21 })]],
    ['attempts below zero', [job('a'), job('b', { attempts: -1 })]],
  ])('are refused before anything is written: %s', async (_what, jobs) => {
    await queue.getVersion();
    const before = await redis.dbsize();
    await expect(handover.add(QUEUE, jobs)).rejects.toMatchObject({ name: 'AppError', code: 'internal' });
    expect(await redis.dbsize()).toBe(before);
  });

  test('belong to a queue that is there; of one that is not, nothing is decided', async () => {
    await expect(handover.add('nowhere', [job('a')])).rejects.toMatchObject({ code: 'unknown-queue' });
    expect(await handover.look('nowhere', ['a'])).toEqual(['open']);
  });

  test('can be none, and are looked at in bounded numbers', async () => {
    expect(await handover.add(QUEUE, [])).toEqual([]);
    expect(await handover.look(QUEUE, [])).toEqual([]);
    const many = Array.from({ length: MOST_LOOKED_AT }, (_, place) => `j-${place}`);
    expect(await handover.look(QUEUE, many)).toEqual(many.map(() => 'missing'));
    await expect(handover.look(QUEUE, [...many, 'one-more'])).rejects.toMatchObject({ code: 'internal' });
  });
});

describe('a handover and its Redis', () => {
  let store: PrivateStore;
  let started: Awaited<ReturnType<typeof startHandover>>;
  const jobs = Array.from({ length: MOST_PER_CALL }, (_, place) => job(`j-${place}`));

  afterEach(async () => {
    await started.stop();
    await store.stop();
  });

  test('a Redis whose memory is full takes none of a call, and all of it once there is room', async () => {
    store = await startPrivateRedis();
    started = await startHandover(store.url, 'bull');
    const { redis, queue, handover } = started;
    await queue.getVersion();
    await redis.config('SET', 'maxmemory', '1mb');
    await expect(handover.add(QUEUE, jobs)).rejects.toThrow(/^OOM /);
    expect(await redis.keys('*')).toEqual([queue.toKey('meta')]);
    await redis.config('SET', 'maxmemory', '0');
    expect(await handover.add(QUEUE, jobs)).not.toContain(false);
  });

  test('a Redis that has forgotten the script is told it again', async () => {
    store = await startPrivateRedis();
    started = await startHandover(store.url, 'bull');
    const { redis, handover } = started;
    await handover.add(QUEUE, [job('a')]);
    await redis.script('FLUSH');
    expect(await handover.add(QUEUE, [job('a'), job('b')])).toEqual([false, true]);
    await redis.script('FLUSH');
    expect(await handover.look(QUEUE, ['a', 'c'])).toEqual(['open', 'missing']);
  });

  test('a Redis that is away rejects, in words that the breaker knows', async () => {
    store = await startPrivateRedis();
    started = await startHandover(store.url, 'bull');
    const { handover } = started;
    await store.kill();
    for (const ask of [() => handover.add(QUEUE, jobs), () => handover.look(QUEUE, ['a'])]) {
      const error = await ask().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(isRedisAway(error)).toBe(true);
    }
  });

  test('a cluster finds every key of a call in one slot', async () => {
    store = await startPrivateRedis('queue', ['cluster-enabled yes']);
    const admin = connectRedis({ url: store.url, role: 'worker', name: 'cluster', logger });
    await admin.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
    await eventually(
      async () => String(await admin.call('CLUSTER', 'INFO')),
      (info) => info.includes('cluster_state:ok'),
      SOON_MS,
    );
    await closeRedis(admin);
    started = await startHandover(store.url, '{bull}');
    const { queue, handover } = started;
    expect(await handover.add(QUEUE, [...jobs.slice(1), job('ranked', { priority: 1 })])).not.toContain(false);
    expect(await handover.add(QUEUE, [job('later', { delayMs: DAY_MS }), job('j-1')])).toEqual([true, false]);
    expect(await handover.look(QUEUE, ['j-1', 'later', 'never'])).toEqual(['open', 'open', 'missing']);
    expect(await queue.getJobCounts('waiting', 'prioritized', 'delayed')).toEqual({
      waiting: 199,
      prioritized: 1,
      delayed: 1,
    });
  });
});
