/** A store goes away while isolated jobs run: each effect once, no attempt spent, no process left, no neighbour hurt. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { isolatedProcesses, noIsolatedProcess } from '../support/isolated-processes.ts';
import { type IsolatedSide, startIsolatedSide } from '../support/isolated-side.ts';
import { endAll, eventually, type MillraceProcess } from '../support/millrace-process.ts';
import { type PrivateStore, startPrivatePostgres, startPrivateRedis } from '../support/stores.ts';
import { Clock } from './harness/clock.ts';

/** Longer than the lease of a job, and than the time between two looks for jobs without one. */
const PAST_LEASE_MS = 12_000;
const PATIENCE_MS = 40_000;
/** What runs when the store goes away; as many as a worker runs at once. */
const HELD = 2;
/** Each has one attempt: one that is spent makes it dead. */
const ONCE = { attempts: 1 };

let redis: PrivateStore;
let postgres: PrivateStore;
let side: IsolatedSide;
let clock: Clock;
let worker: MillraceProcess;
/** Numbers of the effects, and the file where those who hold one say so: new for each test. */
let numbers: number[] = [];
let marks = '';
let serial = 0;

beforeAll(async () => {
  // Both keep what they have answered: these tests are about an outage, not about a store that forgets. Jobs are asked
  // for without a journal here, and by default Redis may lose its last second of them.
  [redis, postgres] = await Promise.all([
    startPrivateRedis('queue', ['appendfsync always']),
    startPrivatePostgres({ synchronous_commit: 'on' }),
  ]);
  clock = new Clock();
  side = await startIsolatedSide({
    stores: { redis: redis.url, database: postgres.url },
    environment: { LEARNING_QUEUE_CONCURRENCY: String(HELD), SHUTDOWN_DEADLINE_MS: '6000' },
  });
});

beforeEach(async () => {
  serial += 1;
  numbers = Array.from({ length: HELD }, (_, n) => serial * 10 + n);
  marks = join(side.folder, `held-${serial}`);
  worker = await side.worker();
});

afterEach(async () => {
  redis.resume();
  postgres.resume();
  await endAll();
});

afterAll(async () => {
  clock.stop();
  await side.stop();
  await Promise.all([redis.stop(), postgres.stop()]);
});

const runners = () => (existsSync(marks) ? readFileSync(marks, 'utf8').trim().split('\n') : []);
const letGo = () => writeFileSync(`${marks}-go`, '');

/** Jobs that are at it, each in its own process, when the store goes away. */
async function hold(how: 'held effect' | 'held commit'): Promise<string[]> {
  const ids = await Promise.all(numbers.map((n) => side.enqueue('learning.work-alone', { how, n, marks }, ONCE)));
  await eventually(
    async () => runners(),
    (pids) => pids.length === HELD,
    PATIENCE_MS,
  );
  return ids;
}

/** Jobs that have nothing to do with it: in the worker's own process, and in processes of theirs. */
const neighbours = () => Promise.all([1, 2, 3].map((n) => side.enqueue('learning.follow-up', { n }, ONCE)));
const aloneToo = () =>
  Promise.all([1, 2, 3].map((n) => side.enqueue('learning.work-alone', { how: 'result', n }, ONCE)));
const innocents = async () => [...(await neighbours()), ...(await aloneToo())];

const answers = (ask: () => Promise<unknown>) =>
  eventually(
    () =>
      ask().then(
        () => true,
        () => false,
      ),
    (answered) => answered,
    PATIENCE_MS,
  );

/** All have completed with their one attempt, and each effect is there once. */
async function allDone(ids: readonly string[]): Promise<void> {
  const views = await Promise.all(ids.map((id) => side.finished(id, PATIENCE_MS)));
  const done = { state: 'completed', attempts: { made: 1, most: 1 }, error: null };
  for (const view of views) expect(view).toMatchObject(done);
  for (const n of numbers) expect(await side.effects(n)).toHaveLength(1);
}

/** The one that waits for the next job is all there is; with its worker it ends too. */
async function noneLeft(): Promise<void> {
  await eventually(
    async () => isolatedProcesses(side.world),
    (pids) => pids.length === 1 && !runners().includes(String(pids[0])),
    5000,
  );
  expect(worker.output).not.toContain('"isolated job crashed"');
  expect(await worker.end('SIGTERM')).toMatchObject({ code: 0 });
  await noIsolatedProcess(side.world, 1000);
}

interface Outage {
  readonly what: string;
  readonly away: (store: PrivateStore) => Promise<void>;
  readonly back: (store: PrivateStore) => Promise<void>;
}

const OUTAGES: readonly Outage[] = [
  { what: 'is killed and started again', away: (store) => store.kill(), back: (store) => store.restart() },
  { what: 'is frozen for a while', away: async (store) => store.pause(), back: async (store) => store.resume() },
];

describe.each(OUTAGES)('Redis $what while isolated jobs run', ({ away, back }) => {
  const isBack = () => answers(() => side.services.inspector.queue('learning'));

  test('and they end meanwhile: what they have done counts, once', async () => {
    const held = await hold('held effect');
    const waiting = await innocents();
    await away(redis);
    letGo();
    for (const n of numbers) {
      await eventually(
        () => side.effects(n),
        (found) => found.length === 1,
        PATIENCE_MS,
      );
    }
    await back(redis);
    await isBack();
    await allDone([...held, ...waiting, ...(await innocents())]);
    await noneLeft();
  });

  test('and they end after it, when their leases have run out: whoever ran them, the effect is there once', async () => {
    const held = await hold('held effect');
    const waiting = await innocents();
    await away(redis);
    await clock.after(PAST_LEASE_MS);
    for (const n of numbers) expect(await side.effects(n)).toEqual([]);
    await back(redis);
    await isBack();
    letGo();
    await allDone([...held, ...waiting, ...(await innocents())]);
    expect(runners().length).toBeLessThanOrEqual(2 * HELD);
    await noneLeft();
  });
});

describe.each(['held effect', 'held commit'] as const)('PostgreSQL goes away under an isolated job (%s)', (how) => {
  const isBack = () => answers(() => side.effects(0));

  test('and is killed: it spends no attempt, its neighbours go on, and its effect is there once', async () => {
    const held = await hold(how);
    await postgres.kill();
    letGo();
    for (const id of held) {
      const view = await eventually(
        () => side.services.inspector.job('default', id),
        ({ state }) => state !== 'active',
        PATIENCE_MS,
      );
      expect(view).toMatchObject({ attempts: { made: 0 }, error: null });
    }
    // Whether they have taken effect already only PostgreSQL knows: isolated ones of this kind wait for it.
    const later = await aloneToo();
    const meanwhile = await neighbours();
    for (const id of meanwhile) {
      expect(await side.finished(id, PATIENCE_MS)).toMatchObject({ state: 'completed', attempts: { made: 1 } });
    }
    await postgres.restart();
    await isBack();
    await allDone([...held, ...meanwhile, ...later, ...(await innocents())]);
    await noneLeft();
  });

  test('and is frozen: it spends no attempt, and its effect is there once', async () => {
    const held = await hold(how);
    const waiting = await innocents();
    postgres.pause();
    letGo();
    await clock.after(PAST_LEASE_MS);
    postgres.resume();
    await isBack();
    await allDone([...held, ...waiting, ...(await innocents())]);
    await noneLeft();
  });
});
