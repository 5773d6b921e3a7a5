/**
 * What the machinery around a job costs, beside a raw BullMQ Worker with the same settings.
 *
 *   npm run bench:attempt        needs nothing: it builds, and starts its own stores; about two minutes
 *   npm run bench:attempt -- silent      with another level of logging than `info`
 *   npm run bench:attempt -- info FOLDER measures another build than `dist`
 *   npm run bench:attempt -- info FOLDER EARLIER      and the bare job of an earlier build in the same rounds
 *
 * It measures what `npm run build` made: tsx adds a call to every closure. Every case has a queue of its own in one
 * process. In each round every queue is filled while it is paused, resumed and drained, one after the other: so a slow
 * moment of the machine hits all cases alike. Prints medians over the rounds: jobs per second, microseconds of this
 * process's CPU per job, what that is above the bare job, the median of the rounds' own ratios to the raw Worker, and
 * microseconds of Redis's CPU. Below it, the steps that touch no store, each in a loop of its own: between two jobs,
 * with cold caches, they cost two to three times as much.
 */

import { openSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Job, Queue, Worker } from 'bullmq';
import { z } from 'zod';
import { migrateDatabase } from '../../src/database/migrate.ts';
import { Deadline } from '../../src/lifecycle.ts';
import { startPostgres } from '../../src/local/postgres.ts';
import { startRedis } from '../../src/local/redis.ts';
import { jobIdFor } from '../../src/queue/envelope.ts';
import type { JobDefinition } from '../../src/queue/job.ts';
import type { Redis } from '../../src/redis/connections.ts';
import { profile } from '../../src/resources.ts';
import type { Services } from '../../src/services.ts';
import type { RunTools } from '../../workers/attempt.ts';
import type { QueuedJob } from '../../workers/consumer.ts';
import { buildOnce } from '../support/millrace-process.ts';
import { redisProgram, temporaryFolder } from '../support/stores.ts';

/** What is measured, as built. */
const [, , LEVEL = 'info', FOLDER, EARLIER] = process.argv;
if (FOLDER === undefined) buildOnce();
const DIST = FOLDER ?? join(import.meta.dirname, '..', '..', 'dist');
const built = (path: string, folder = DIST) => import(pathToFileURL(join(folder, path)).href);
const { loadConfig }: typeof import('../../src/config.ts') = await built('src/config.js');
const { createLogger }: typeof import('../../src/logger.ts') = await built('src/logger.js');
const { Catalog }: typeof import('../../src/queue/catalog.ts') = await built('src/queue/catalog.js');
const { defineJob }: typeof import('../../src/queue/job.ts') = await built('src/queue/job.js');
const { closeRedis, connectRedis }: typeof import('../../src/redis/connections.ts') =
  await built('src/redis/connections.js');
const { envelopeSchema }: typeof import('../../src/queue/envelope.ts') = await built('src/queue/envelope.js');
const { Metrics }: typeof import('../../src/monitoring/metrics.ts') = await built('src/monitoring/metrics.js');
const { Tally }: typeof import('../../src/analytics/tally.ts') = await built('src/analytics/tally.js');
const { CompletedLines }: typeof import('../../workers/completed-lines.ts') = await built('workers/completed-lines.js');
const { Ending }: typeof import('../../workers/ending.ts') = await built('workers/ending.js');
const { HandlerContext }: typeof import('../../workers/handler-context.ts') = await built('workers/handler-context.js');
const { runJob }: typeof import('../../workers/run-job.ts') = await built('workers/run-job.js');
const { WORKER_SETTINGS }: typeof import('../../workers/consumer.ts') = await built('workers/consumer.js');
const workerOf = async (folder: string): Promise<typeof import('../../workers/worker.ts').WorkerProcess> =>
  (await built('workers/worker.js', folder)).WorkerProcess;

const CONCURRENCY = 50;
const ROUNDS = 11;
const BARE_JOBS = 3000;
const FULL_JOBS = 600;
const RAW = 'raw';
const BARE_EARLIER = 'bare-earlier';

const print = (line: string) => void process.stdout.write(`${line}\n`);
const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** Counts handler calls, and tells when there were enough. */
class Count {
  #left = 0;
  #done = () => {};

  of(jobs: number): Promise<void> {
    this.#left = jobs;
    return new Promise((resolve) => {
      this.#done = resolve;
    });
  }

  readonly one = (): void => {
    this.#left -= 1;
    if (this.#left === 0) this.#done();
  };
}

const count = new Count();

type Spec = Partial<Pick<JobDefinition, 'exclusive' | 'invalidates' | 'announces' | 'run'>>;
const resourceOf = (payload: unknown) => profile('default', `u${(payload as { n: number }).n}`);
const exclusive: Spec = { exclusive: resourceOf };
const ledger: Spec = {
  run: async (_payload, { apply }) => {
    const result = await apply(async () => null);
    count.one();
    return result;
  },
};
const invalidates: Spec = { invalidates: (payload) => [resourceOf(payload)] };
const announces: Spec = { announces: () => [{ type: 'profile.updated', data: { userId: 'u', profileVersion: 1 } }] };

/** One case: its queue is its name. */
const CASES: Readonly<Record<string, Spec>> = {
  bare: {},
  lock: exclusive,
  ledger,
  invalidation: invalidates,
  event: announces,
  everything: { ...exclusive, ...ledger, ...invalidates, ...announces },
};

function define(queue: string, spec: Spec): JobDefinition {
  return defineJob({
    name: `${queue}.run`,
    about: 'A probe.',
    payload: z.strictObject({ n: z.int(), text: z.string() }),
    result: z.null(),
    example: { n: 1, text: '' },
    run: async () => {
      count.one();
      return null;
    },
    ...(spec as object),
  });
}

let serial = 0;

const newPayload = () => {
  serial += 1;
  return { n: serial, text: 'x'.repeat(120) };
};

/** Adds this many jobs to a queue that is paused. */
type Fill = (jobs: number) => Promise<void>;

/** As the service stores them. */
const enqueuing = (job: string, { producer }: Pick<Services, 'producer'>): Fill =>
  inLots(async (jobs) => {
    const requests = Array.from({ length: jobs }, () => ({ tenant: 'default', job, payload: newPayload() }));
    await Promise.all(requests.map((request) => producer.enqueue(request)));
  });

/** As somebody without the service would: the payload alone, with the same options. */
const adding = (queue: Queue): Fill =>
  inLots(async (jobs) => {
    const timestamp = Date.now();
    const opts = { attempts: 5, timestamp, backoff: { type: 'custom' } };
    const jobId = () => jobIdFor('default', `${queue.name}.run`, undefined, timestamp);
    const one = () => ({ name: `${queue.name}.run`, data: newPayload(), opts: { ...opts, jobId: jobId() } });
    await queue.addBulk(Array.from({ length: jobs }, one));
  });

function inLots(fill: Fill): Fill {
  return async (jobs) => {
    for (let from = 0; from < jobs; from += 500) await fill(Math.min(500, jobs - from));
  };
}

interface Slice {
  readonly perSecond: number;
  readonly cpuUs: number;
  readonly redisUs: number;
}

interface Contender {
  readonly queue: Pick<Queue, 'pause' | 'resume'>;
  readonly fill: Fill;
}

/** Microseconds of CPU that Redis has used. */
async function redisCpuUs(redis: Redis): Promise<number> {
  const info = await redis.info('cpu');
  const seconds = [/used_cpu_user:([\d.]+)/, /used_cpu_sys:([\d.]+)/].map((figure) => Number(figure.exec(info)?.[1]));
  return seconds.reduce((sum, each) => sum + each, 0) * 1e6;
}

async function drain({ queue, fill }: Contender, redis: Redis, jobs: number): Promise<Slice> {
  await queue.pause();
  await fill(jobs);
  const done = count.of(jobs);
  const redisBefore = await redisCpuUs(redis);
  const startedMs = performance.now();
  const cpu = process.cpuUsage();
  await queue.resume();
  await done;
  const { user, system } = process.cpuUsage(cpu);
  const perSecond = (jobs * 1000) / (performance.now() - startedMs);
  return { perSecond, cpuUs: (user + system) / jobs, redisUs: ((await redisCpuUs(redis)) - redisBefore) / jobs };
}

function report(slices: ReadonlyMap<string, readonly Slice[]>): void {
  const of = (name: string) => slices.get(name) ?? [];
  const bareUs = median(of('bare').map(({ cpuUs }) => cpuUs));
  print('case            jobs/s   CPU µs/job   above bare   of the raw Worker   Redis µs/job');
  for (const [name, own] of slices) {
    const cpuUs = median(own.map((slice) => slice.cpuUs));
    const ratio = median(own.map(({ perSecond }, round) => perSecond / (of(RAW)[round]?.perSecond ?? Number.NaN)));
    const figures = [
      median(own.map(({ perSecond }) => perSecond))
        .toFixed(0)
        .padStart(8),
      cpuUs.toFixed(0).padStart(13),
      (cpuUs - bareUs).toFixed(0).padStart(13),
      ratio.toFixed(2).padStart(20),
      median(own.map(({ redisUs }) => redisUs))
        .toFixed(0)
        .padStart(15),
    ];
    print(`${name.padEnd(14)}${figures.join('')}`);
  }
}

const STEPS = 100_000;

/** Microseconds of CPU that one call takes in a loop: the median of five. */
async function timeStep(step: () => unknown): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    const cpu = process.cpuUsage();
    for (let each = 0; each < STEPS; each++) await step();
    const { user, system } = process.cpuUsage(cpu);
    times.push((user + system) / STEPS);
  }
  return median(times);
}

/** A whole attempt of a build, with what it measures, counts and logs: all but what BullMQ does. */
async function wholeAttempt(folder: string, tools: RunTools, { database, redis }: Services) {
  const { Attempts }: typeof import('../../workers/attempts.ts') = await built('workers/attempts.js', folder);
  const own: typeof import('../../src/monitoring/metrics.ts') = await built('src/monitoring/metrics.js', folder);
  const count: typeof import('../../src/analytics/tally.ts') = await built('src/analytics/tally.js', folder);
  const metrics = new own.Metrics({ role: 'bench' });
  const tally = new count.Tally({ database, logger: tools.logger });
  metrics.stop();
  const attempts = new Attempts({
    queue: 'step',
    tools,
    logger: tools.logger,
    measure: (attempt) => {
      metrics.attempt(attempt);
      tally.attempt(attempt);
    },
  });
  const queue = new Queue('step', { connection: redis, skipVersionCheck: true, skipWaitingForReady: true });
  const data = { tenant: 'default', payload: newPayload(), requestedAt: Date.now(), timeoutMs: 60_000 };
  const job: QueuedJob = new Job(
    queue,
    'step.run',
    data,
    { attempts: 5 },
    jobIdFor('default', 'step.run', undefined, 1),
  );
  const running = new Map();
  return { step: () => attempts.run(running, job, ''), end: () => queue.close() };
}

async function reportSteps(services: Services): Promise<void> {
  const definition = define('step', { run: async () => null });
  const tools: RunTools = {
    ...services,
    catalog: new Catalog([definition]),
    services,
    fire: async () => {},
    wakeOverdue: async () => 0,
    isolate: () => Promise.reject(new Error('nothing here is isolated')),
    pace: { windowMs: 0, rateMs: 0 },
    clock: Date.now,
    believedSinceMs: () => 0,
  };
  const envelope = { tenant: 'default', payload: { n: 1, text: 'x'.repeat(120) } };
  const { name } = definition;
  const id = jobIdFor('default', name, undefined, 1);
  const job = { id, name, data: envelope, timestamp: 1, failedAttempts: 0, startedBefore: false, lastAttempt: false };
  const taken = { ...job, progress: async () => {}, crashed: async () => 0 };
  const whole = await wholeAttempt(DIST, tools, services);
  const earlier = EARLIER === undefined ? undefined : await wholeAttempt(EARLIER, tools, services);
  const metrics = new Metrics({ role: 'bench' });
  const tally = new Tally({ database: services.database, logger: tools.logger });
  const measured = {
    queue: 'step',
    tenant: 'default',
    job: name,
    outcome: 'completed',
    waitMs: 12,
    runMs: 3,
    first: true,
    endedAtMs: Date.now(),
  };
  const lines = new CompletedLines(tools.logger);
  const ending = new Ending();
  const startedAt = new Date(1);
  const { payload } = envelope;
  const attempt = { job: taken, definition, envelope, requestedAt: 1, payload, startedAt, ending, tools };
  const late = () => new Error('late');
  let atMs = 0;
  const nextSecond = () => {
    atMs += 1000;
    return atMs;
  };
  const steps: Readonly<Record<string, () => unknown>> = {
    'an empty step': () => undefined,
    'parse the envelope': () => envelopeSchema.safeParse(envelope),
    'parse the payload': () => definition.payload.safeParse(envelope.payload),
    deadline: () => {
      const ends = new Ending();
      ends.endIn(60_000, late);
      ends.settle();
    },
    'end early or wait': () => new Ending().unlessEnded(async () => null),
    'a signal, when asked for': () => new Ending().signal,
    context: () => new HandlerContext(attempt, async () => {}),
    'its logger, when asked for': () => new HandlerContext(attempt, async () => {}).logger,
    metrics: () => metrics.attempt(measured),
    'a completed line': () => lines.write(job, nextSecond(), 3),
    'counted for analytics': () => tally.attempt(measured),
    'all of a bare attempt': () => runJob(taken, new Ending(), tools),
    'the same, measured and told': whole.step,
    ...(earlier !== undefined && { 'the same, earlier build': earlier.step }),
  };
  print('');
  print('step                            µs of CPU');
  for (const [step, work] of Object.entries(steps)) {
    print(`${step.padEnd(30)}${(await timeStep(work)).toFixed(2).padStart(11)}`);
  }
  metrics.stop();
  await whole.end();
  await earlier?.end();
}

const folder = await temporaryFolder();
const program = await redisProgram();
const stores = await Promise.all([
  startRedis({ program, folder: join(folder, 'redis'), kind: 'queue', settings: ['appendonly no'] }),
  startRedis({ program, folder: join(folder, 'cache'), kind: 'cache', settings: [] }),
  startPostgres({ folder: join(folder, 'postgres'), settings: { synchronous_commit: 'off' }, initFlags: [] }),
]);
const sink = openSync('/dev/null', 'w');
try {
  const [redis, cache, postgres] = stores;
  await migrateDatabase({ url: postgres.url, schema: 'public' });
  const environment = { REDIS_URL: redis.url, REDIS_CACHE_URL: cache.url, DATABASE_URL: postgres.url, AUTH: 'off' };
  const config = loadConfig({}, environment);
  // A line costs what it costs a process whose output goes to a file: formatting and one write.
  const destination = { write: (line: string) => void writeSync(sink, line) };
  const logger = createLogger({ level: LEVEL, role: 'worker', destination });
  const names = Object.keys(CASES);
  const row = { concurrency: CONCURRENCY, pace: { windowMs: 0, rateMs: 0 } };
  const rows = Object.fromEntries([...names, BARE_EARLIER].map((name) => [name, row]));
  const open = async (folder: string, cases: readonly string[]) => {
    const catalog = new Catalog(cases.map((name) => define(name, CASES[name] ?? {})));
    const opened = new (await workerOf(folder))({ config, catalog, logger, queues: cases, rows });
    await opened.start();
    return opened;
  };
  const worker = await open(DIST, names);
  const earlier = EARLIER === undefined ? undefined : await open(EARLIER, [BARE_EARLIER]);
  const connection = connectRedis({ url: config.REDIS_URL, role: 'worker', name: RAW, logger });
  const noop = async () => {
    count.one();
    return null;
  };
  const { QUEUE_PREFIX: prefix } = config;
  const raw = new Worker(RAW, noop, { ...WORKER_SETTINGS, connection, prefix, concurrency: CONCURRENCY });
  const rawQueue = new Queue(RAW, { connection, prefix });
  const contenders = new Map<string, Contender>([[RAW, { queue: rawQueue, fill: adding(rawQueue) }]]);
  const contend = (name: string, { services }: typeof worker) => {
    const fill = enqueuing(`${name}.run`, services);
    contenders.set(name, { queue: services.queues.get(name), fill });
  };
  if (earlier !== undefined) contend(BARE_EARLIER, earlier);
  for (const name of names) contend(name, worker);
  const slices = new Map<string, Slice[]>([...contenders.keys()].map((name) => [name, []]));
  for (let round = 0; round <= ROUNDS; round++) {
    // Everybody comes first as often: what a slice leaves behind is paid by the next one.
    const turns = [...slices];
    for (const [name, own] of [...turns.slice(round % turns.length), ...turns.slice(0, round % turns.length)]) {
      const contender = contenders.get(name);
      if (contender === undefined) continue;
      const jobs = name === RAW || name.startsWith('bare') ? BARE_JOBS : FULL_JOBS;
      const slice = await drain(contender, worker.services.redis, jobs);
      // The first round warms up.
      if (round > 0) own.push(slice);
    }
  }
  print(
    `${cpus().length} cores, Node ${process.versions.node}, ${CONCURRENCY} jobs at once, ${ROUNDS} rounds, log level ${logger.level}; the stores share the machine`,
  );
  print('');
  report(slices);
  await reportSteps(worker.services);
  await raw.close();
  await rawQueue.close();
  await earlier?.stop(Deadline.in(10_000));
  await closeRedis(connection);
  await worker.stop(Deadline.in(10_000));
} finally {
  await Promise.all(stores.map((store) => store.stop(Deadline.in(5000))));
  await rm(folder, { recursive: true, force: true });
}
