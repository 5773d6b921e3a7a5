/** Clock lines over many processes: each slot is one job, whoever looks at the clock and whoever is restarted. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Deadline } from '../../src/lifecycle.ts';
import { createLogger } from '../../src/logger.ts';
import { Catalog } from '../../src/queue/catalog.ts';
import { defineCleanup } from '../../src/queue/cleanup.ts';
import { jobIdFor } from '../../src/queue/envelope.ts';
import type { JobDefinition } from '../../src/queue/job.ts';
import { Services } from '../../src/services.ts';
import { nextTick, Triggers } from '../../workers/triggers.ts';
import { WorkerProcess } from '../../workers/worker.ts';
import { eventually } from '../support/millrace-process.ts';
import { EAGER } from '../support/probe-worker.ts';
import { createWorld, type World } from '../support/world.ts';

const HOUR_MS = 3_600_000;
const logger = createLogger({ level: 'silent', role: 'test' });

let world: World;
let services: Services;
let workers: WorkerProcess[];
/** The slots that were run, and how many runs were inside at once at most. */
let runs: string[];
let most: number;

/** Every hour at a quarter past; the job takes a moment, so that two could overlap. */
const definition: JobDefinition = defineCleanup({
  name: 'cleanup.probe',
  about: 'A probe.',
  every: '15 * * * *',
  owner: ({ job, logger: log }) => ({
    removeExpired: async () => {
      inside += 1;
      most = Math.max(most, inside);
      log.debug('running');
      await new Promise((resolve) => setImmediate(resolve));
      runs.push(job.id);
      inside -= 1;
      return { removed: 0, bytes: 0 };
    },
  }),
});
let inside = 0;
const catalog = new Catalog([definition]);

beforeEach(async () => {
  world = await createWorld();
  services = new Services({ config: world.config, catalog, logger, role: 'test' });
  await services.start();
  [workers, runs, most, inside] = [[], [], 0, 0];
});

afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.stop(Deadline.in(10_000))));
  await services.stop(Deadline.in(5000));
  await world.close();
});

async function startWorker(): Promise<WorkerProcess> {
  const worker = new WorkerProcess({ config: world.config, catalog, logger, queues: [], rows: { cleanup: EAGER } });
  workers.push(worker);
  await worker.start();
  return worker;
}

async function stopWorker(worker: WorkerProcess): Promise<void> {
  workers = workers.filter((each) => each !== worker);
  await worker.stop(Deadline.in(10_000));
}

/** A process's look at the clock, at the time that the test gives. */
function lookAt(clock: () => number): Promise<void> {
  const { producer } = services;
  return new Triggers({ catalog, producer, tenants: async () => ['default'], logger, clock }).enqueueTicks();
}

/** The id of the job of a slot. */
const slotId = (tick: Date) =>
  jobIdFor('default', definition.name, { kind: 'once', value: `every:${tick.toISOString()}` }, 0);

describe('each slot is exactly one job', () => {
  test('over three processes whose clocks differ, with restarts in between', async () => {
    const SLOTS = 24;
    // In the past, so that no job waits for its time.
    const beginMs = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - (SLOTS + 2) * HOUR_MS;
    for (let each = 0; each < 3; each++) await startWorker();
    const expected: string[] = [];
    for (let slot = 0; slot < SLOTS; slot++) {
      const nowMs = beginMs + slot * HOUR_MS;
      expected.push(slotId(nextTick('15 * * * *', nowMs)));
      const looks = [0, 3000, -3000, 0, 900_000 - 1, 5].map((offMs) => lookAt(() => nowMs + offMs));
      await Promise.all(looks);
      if (slot % 8 === 3) {
        const [oldest] = workers;
        if (oldest !== undefined) await Promise.all([stopWorker(oldest), startWorker()]);
      }
    }
    await eventually(
      async () => runs.length,
      (count) => count >= SLOTS,
      30_000,
    );
    // Everybody looks once more at slots that have run.
    for (let slot = 0; slot < SLOTS; slot++) await lookAt(() => beginMs + slot * HOUR_MS);
    const open = () => services.queues.get('cleanup').getJobCountByTypes('wait', 'active', 'prioritized');
    await eventually(open, (count) => count === 0, 10_000);
    expect([...runs].sort()).toEqual(expected.sort());
    expect(most).toBe(1);
  }, 90_000);

  test('after all processes were started anew at the same time', async () => {
    for (let round = 0; round < 2; round++) {
      await Promise.all([startWorker(), startWorker(), startWorker()]);
      await Promise.all(workers.map(stopWorker));
    }
    const delayed = await services.queues.get('cleanup').getDelayed();
    expect(delayed.map(({ id }) => id)).toEqual([slotId(nextTick('15 * * * *', Date.now()))]);
  }, 60_000);
});

describe('slots that came while everything was down', () => {
  test('are one run at the next start, however many they were', async () => {
    // What a worker has enqueued ahead before all were stopped, five hours ago.
    const stoppedMs = Date.now() - 5 * HOUR_MS;
    await lookAt(() => stoppedMs);
    expect(runs).toEqual([]);
    await startWorker();
    await eventually(
      async () => runs.length,
      (count) => count > 0,
      20_000,
    );
    const next = services.queues.get('cleanup');
    await eventually(
      () => next.getDelayedCount(),
      (count) => count === 1,
      20_000,
    );
    expect(runs).toEqual([slotId(nextTick('15 * * * *', stoppedMs))]);
    expect(await next.getJobCountByTypes('wait', 'active')).toBe(0);
  }, 60_000);
});
