import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { Deadline } from '../../src/lifecycle.ts';
import { createLogger } from '../../src/logger.ts';
import { Catalog } from '../../src/queue/catalog.ts';
import { jobIdFor } from '../../src/queue/envelope.ts';
import { defineJob } from '../../src/queue/job.ts';
import { connectRedis } from '../../src/redis/connections.ts';
import { WorkerProcess } from '../../workers/worker.ts';
import { type FixtureSide, startFixtureSide } from '../support/fixture-side.ts';
import { endAll, eventually } from '../support/millrace-process.ts';
import { EAGER } from '../support/probe-worker.ts';
import { type PrivateStore, startPrivateRedis } from '../support/stores.ts';
import type { World } from '../support/world.ts';

/** The promise is 2 s; the rest is for a machine that is busy with something else. */
const RESUMED_MS = 5000;
/** Ten seconds without an answer, as the watchdog's looks see it, and the way back. */
const NOTICED_MS = 25_000;
/** Six looks of the watchdog, and the way back. */
const REBUILT_MS = 40_000;

/** Its deadline is 25 s. */
const ENDED_MS = 12_000;

const JOB = 'learning.slow';

let redis: PrivateStore;
let side: FixtureSide;
let world: World;
let serial = 0;

beforeAll(async () => {
  redis = await startPrivateRedis();
  side = await startFixtureSide({ stores: { redis: redis.url }, environment: { LEARNING_QUEUE_CONCURRENCY: '4' } });
  ({ world } = side);
});

afterEach(() => {
  redis.resume();
  return endAll();
});

afterAll(async () => {
  await side.stop();
  await redis.stop();
});

/** Let an outage last. */
async function lasts(ms: number): Promise<void> {
  const untilMs = performance.now() + ms;
  await eventually(
    async () => performance.now(),
    (nowMs) => nowMs >= untilMs,
    ms + 5000,
  );
}

/** A queue as somebody sees it who connects only now: nothing here waits for an old connection. */
async function onFreshConnection<T>(work: (queue: Queue) => Promise<T>): Promise<T> {
  const connection = new Redis(redis.url, { maxRetriesPerRequest: null });
  const queue = new Queue('learning', { connection, prefix: world.config.QUEUE_PREFIX });
  try {
    return await work(queue);
  } finally {
    await queue.close();
    connection.disconnect();
  }
}

function add(queue: Queue, jobs: number, ms: number): Promise<unknown> {
  const requestedAt = Date.now();
  return queue.addBulk(
    Array.from({ length: jobs }, () => {
      serial += 1;
      const data = { tenant: 'default', payload: { n: serial, ms }, requestedAt, timeoutMs: 60_000 };
      const jobId = jobIdFor('default', JOB, undefined, requestedAt);
      return { name: JOB, data, opts: { jobId, attempts: 3, timestamp: requestedAt, backoff: { type: 'custom' } } };
    }),
  );
}

/** Ids of the jobs that a worker has taken. */
async function taken(queue: Queue): Promise<Set<string>> {
  const jobs = await queue.getJobs(['active', 'completed']);
  return new Set(jobs.flatMap((job) => job?.id ?? []));
}

/** Milliseconds from `sinceMs` until a worker is seen to have taken a job that was not in `before`. */
async function firstTaken(queue: Queue, before: ReadonlySet<string>, sinceMs: number, ms: number): Promise<number> {
  await eventually(
    () => taken(queue),
    (now) => [...now].some((id) => !before.has(id)),
    ms,
  );
  return Date.now() - sinceMs;
}

const settled = (queue: Queue) =>
  eventually(
    () => queue.getJobCounts('wait', 'active', 'delayed'),
    ({ wait, active, delayed }) => wait === 0 && active === 0 && delayed === 0,
    60_000,
  );

function tell(what: string, ms: number): void {
  process.stdout.write(`resume: ${what}: ${Math.round(ms)} ms\n`);
}

describe.each(['idle', 'busy'])('a worker that is %s', (how) => {
  test.each([
    ['killed for 3 s', 3000, () => redis.kill(), () => redis.restart()],
    ['killed for 15 s', 15_000, () => redis.kill(), () => redis.restart()],
    ['paused for 5 s', 5000, async () => redis.pause(), async () => redis.resume()],
  ])('takes jobs again soon after Redis was %s', async (what, outageMs, away, back) => {
    const worker = side.worker();
    await worker.printed('running');
    await onFreshConnection(async (queue) => {
      await add(queue, how === 'busy' ? 300 : 1, how === 'busy' ? 400 : 0);
      if (how === 'idle') await settled(queue);
      else
        await eventually(
          () => queue.getActiveCount(),
          (active) => active > 0,
          20_000,
        );
    });
    await away();
    await lasts(outageMs);
    await back();
    const backMs = Date.now();
    await onFreshConnection(async (queue) => {
      const before = await taken(queue);
      await add(queue, 1, 0);
      const resumedMs = await firstTaken(queue, before, backMs, 30_000);
      tell(`${how}, Redis ${what}`, resumedMs);
      expect(resumedMs).toBeLessThan(RESUMED_MS);
      if (how === 'busy') await queue.drain();
      await settled(queue);
    });
    await worker.end();
  });
});

test('an idle worker whose Redis is away ends at once, and not at its deadline', async () => {
  const worker = side.worker();
  await worker.printed('running');
  await redis.kill();
  try {
    await worker.printed('Redis is away');
    expect(await worker.end('SIGTERM', ENDED_MS)).toMatchObject({ code: 0 });
  } finally {
    await redis.restart();
  }
});

/** A line to Redis whose open connections can be frozen for good: no bytes, no end, no reset. */
class Line {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #open = new Set<Socket>();
  #deaf = false;

  constructor(target: number) {
    this.#server = createServer((client) => {
      this.#sockets.add(client);
      client.on('error', () => client.destroy());
      if (this.#deaf) return;
      const store = connect(target, '127.0.0.1');
      this.#sockets.add(store);
      store.on('error', () => store.destroy());
      this.#open.add(client).add(store);
      client.pipe(store).pipe(client);
    });
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return address.port;
  }

  /** Freeze the connections that are open; `forGood`: those that come, too. */
  freeze(forGood: boolean): void {
    this.#deaf = forGood;
    for (const socket of this.#open) socket.unpipe().pause();
    this.#open.clear();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

describe('a connection that stays open and brings nothing', () => {
  let line: Line;
  let url: string;

  beforeAll(async () => {
    line = new Line(redis.port);
    const through = new URL(world.config.REDIS_URL);
    through.port = String(await line.listen());
    url = through.href;
  });

  afterAll(() => line.close());

  test('is noticed and replaced, and the worker goes on', async () => {
    const worker = side.worker({ REDIS_URL: url });
    await worker.printed('running');
    await onFreshConnection(async (queue) => {
      await add(queue, 1, 0);
      await settled(queue);
      const before = await taken(queue);
      line.freeze(false);
      const frozenMs = Date.now();
      await add(queue, 1, 0);
      const noticedMs = await firstTaken(queue, before, frozenMs, 60_000);
      tell('idle, connections frozen', noticedMs);
      expect(noticedMs).toBeLessThan(NOTICED_MS);
      await settled(queue);
    });
    await worker.end();
  });

  test('for good makes a pool deaf: it gets a new worker, and the job runs once', async () => {
    const lines: string[] = [];
    const logger = createLogger({
      level: 'info',
      role: 'test',
      destination: { write: (text) => void lines.push(text) },
    });
    let runs = 0;
    const definition = defineJob({
      name: 'probe.deaf',
      about: 'A probe.',
      payload: z.strictObject({}),
      result: z.int(),
      example: {},
      run: async () => ++runs,
    });
    let connections = 0;
    const worker = new WorkerProcess({
      config: world.config,
      catalog: new Catalog([definition]),
      logger,
      queues: [],
      rows: { probe: EAGER },
      connect: () => {
        connections += 1;
        const name = `worker:${connections}`;
        return connectRedis({ url: connections === 1 ? url : world.config.REDIS_URL, role: 'worker', name, logger });
      },
    });
    await worker.start();
    const { producer, inspector } = worker.services;
    const run = async (ms: number) => {
      const { id } = await producer.enqueue({ tenant: 'default', job: 'probe.deaf', payload: {} });
      return eventually(
        () => inspector.job('default', id),
        ({ state }) => state === 'completed',
        ms,
      );
    };
    expect(await run(10_000)).toMatchObject({ result: 1 });
    line.freeze(true);
    const frozenMs = Date.now();
    expect(await run(REBUILT_MS)).toMatchObject({ result: 2 });
    tell('pool deaf for good', Date.now() - frozenMs);
    expect(connections).toBe(2);
    expect(lines.filter((text) => text.includes('a pool is deaf'))).toHaveLength(1);
    await worker.stop(Deadline.in(15_000));
    expect(lines.filter((text) => text.includes('did not'))).toEqual([]);
  });
});
