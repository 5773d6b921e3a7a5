/** What can happen to the web and worker processes. */

import { eventually } from '../../support/millrace-process.ts';
import type { Fault, Scene } from './fault.ts';
import type { Direction } from './proxy.ts';
import { demandUnaffected, demandWorking } from './recovery.ts';
import { highestAttempt } from './runs-file.ts';
import { lookAtJournals } from './store-evidence.ts';

/** A request of the driver, headers and all, is about this long: the kill falls anywhere in the next few. */
const LATEST_BYTE = 2000;
/** Milliseconds within which a byte of the driver's must have come. */
const BYTE_MS = 15_000;
const BACKLOG_MS = 10_000;
const EXIT_MS = 30_000;

/** kill -9 of a web process at a random byte of what goes through its front; it is started again. */
async function killMidRequest({ service, random, note, clock }: Scene): Promise<void> {
  const place = random.whole(0, service.webs.length - 1);
  const web = service.webs[place];
  const front = service.lines.fronts[place];
  if (web === undefined || front === undefined) throw new Error('There is no such web process.');
  const direction: Direction = random.chance(0.7) ? 'up' : 'down';
  const byte = random.whole(1, LATEST_BYTE);
  const untrap = front.setTrap(direction, byte, () => web.strike());
  try {
    await eventually(
      async () => web.running,
      (running) => !running,
      BYTE_MS,
    );
  } finally {
    untrap();
  }
  note(`${web.name}: killed at byte ${byte} ${direction}`);
  await clock.after(random.whole(0, 300));
  await web.start();
  note(`${web.name}: running again`);
}

/** Stop in good order and start again, one after the other. */
async function roll(scene: Scene): Promise<void> {
  const { service, clock, note } = scene;
  for (const process of service.processes) {
    note(`${process.name}: SIGTERM`);
    const startedMs = clock.nowMs;
    const { code } = await process.end('SIGTERM');
    scene.demand(
      `${process.name} ends with code 0`,
      code === 0,
      `${code} after ${Math.round(clock.nowMs - startedMs)} ms`,
    );
    await process.start();
    note(`${process.name}: running again`);
    await clock.after(300);
  }
}

export const PROCESS_FAULTS: readonly Fault[] = [
  {
    name: 'web-killed',
    how: 'kill -9 of a web process at a random byte of a request or of its answer; started again',
    holds: 'the other web process answers; what was accepted is done',
    doses: { unit: 'times', short: [4], long: [20] },
    run: async (scene, times) => {
      for (let i = 0; i < times; i++) await killMidRequest(scene);
    },
  },
  {
    name: 'web-killed-with-backlog',
    how: 'Redis killed, so many jobs accepted, every web process killed with -9; then Redis and they are started',
    holds: 'all of them are relayed within 10 s of the start',
    doses: { unit: 'times', short: [10_000], long: [10_000] },
    load: { rate: 0 },
    run: async (scene, jobs) => {
      const { service, driver, clock, note } = scene;
      await service.redis.kill();
      note(`Redis: killed; accepting ${jobs} jobs`);
      const watch = driver.watch();
      const shipments = scene.plan(['bare'], 'bulk', jobs, 100);
      for (let at = 0; at < shipments.length; at += 4) {
        await Promise.all(shipments.slice(at, at + 4).map((shipment) => driver.ship(shipment)));
      }
      watch.close();
      scene.report('callers meanwhile', watch.toString());
      scene.demand('jobs accepted', watch.count(202) === jobs, String(watch.count(202)));
      await Promise.all(service.webs.map((web) => web.kill()));
      note('web: all killed');
      await service.redis.restart();
      await Promise.all(service.webs.map((web) => web.start()));
      note('Redis and web: running again');
      const startedMs = clock.nowMs;
      await eventually(
        () => lookAtJournals(service),
        ({ pending }) => pending === 0,
        3 * BACKLOG_MS,
      );
      const ms = Math.round(clock.nowMs - startedMs);
      scene.demand(`all relayed (promised ${BACKLOG_MS} ms)`, ms <= BACKLOG_MS, `${ms} ms`);
    },
  },
  {
    name: 'worker-killed',
    how: 'kill -9 of a worker at a random moment, started again; and the next',
    holds: 'enqueue answers 202 all along; no attempt is spent',
    doses: { unit: 'times', short: [5], long: [200] },
    load: { kinds: ['apply', 'other', 'bare', 'delayed', 'exclusive', 'gathered', 'wrong'] },
    run: async (scene, times) => {
      const { service, random, clock, note } = scene;
      const watch = scene.driver.watch();
      for (let i = 0; i < times; i++) {
        const worker = random.pick(service.workers);
        await clock.after(random.whole(100, 900));
        note(`${worker.name}: kill -9`);
        await worker.kill();
        await worker.start();
        note(`${worker.name}: running again`);
      }
      watch.close();
      demandUnaffected(scene, watch);
    },
    afterwards: async ({ service, first, demand }) => {
      const attempt = await highestAttempt(service.runsFile, first);
      demand('highest attempt', attempt === 1, String(attempt));
    },
  },
  {
    name: 'rolling-restart',
    how: 'SIGTERM of every process, one after the other, each started again; then Redis and PostgreSQL the same way',
    holds: 'no request fails, for callers that go to another process when one refuses',
    doses: { unit: 'times', short: [1], long: [3] },
    load: { balanced: true, retries: 0 },
    run: async (scene, times) => {
      const { redis, postgres } = scene.service;
      const watch = scene.driver.watch();
      for (let i = 0; i < times; i++) {
        await roll(scene);
        for (const [name, store] of [['Redis', redis] as const, ['PostgreSQL', postgres] as const]) {
          scene.note(`${name}: stopped and started`);
          await store.restart();
          await demandWorking(scene);
        }
      }
      watch.close();
      demandUnaffected(scene, watch);
    },
  },
  {
    name: 'stop-while-redis-paused',
    how: 'SIGSTOP of Redis, then SIGTERM of every process; then Redis goes on and they are started',
    holds: 'every process ends within 30 s',
    doses: { unit: 'times', short: [1], long: [1] },
    run: async (scene) => {
      const { service, clock, note } = scene;
      service.redis.pause();
      await clock.after(scene.random.whole(0, 1500));
      note('Redis paused; SIGTERM to everything');
      await Promise.all(
        service.processes.map(async (process) => {
          const startedMs = clock.nowMs;
          await process.end('SIGTERM', 2 * EXIT_MS);
          const ms = Math.round(clock.nowMs - startedMs);
          scene.demand(`${process.name} ends (promised ${EXIT_MS} ms)`, ms <= EXIT_MS, `${ms} ms`);
        }),
      );
      service.redis.resume();
      await service.calm();
      note('everything runs again');
      await demandWorking(scene);
    },
  },
];
