/** What can happen to the web and worker processes. */

import { eventually } from '../../support/millrace-process.ts';
import { killMidRequest, loseWebAndEmpty, loseWebWhileAway } from './blows.ts';
import type { Fault, Scene } from './fault.ts';
import { demandUnaffected, demandWorking } from './recovery.ts';
import { highestAttempt } from './runs-file.ts';
import { SHUTDOWN_MS } from './service.ts';
import { lookAtJournals } from './store-evidence.ts';

/** Milliseconds in which the backlog is relayed: promised, and asked for on a machine that runs other things beside. */
const BACKLOG_MS = 10_000;
const MUST_BACKLOG_MS = 40_000;
/** Milliseconds that a process may take beyond its own deadline: 30 s in all with the usual 25 s. */
const BEYOND_DEADLINE_MS = 5000;

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
    load: { rate: 40 },
    run: async (scene, times) => {
      for (let i = 0; i < times; i++) await killMidRequest(scene);
    },
  },
  {
    name: 'web-lost',
    how: 'kill -9 of a web process that stays away, with Redis emptied then; and again, with Redis away meanwhile',
    holds: 'another web process takes in its journal: what was accepted is done, what was cancelled is not',
    doses: { unit: 'times', short: [1], long: [10] },
    load: { rate: 60, kinds: ['bare', 'delayed', 'cancelled', 'withdrawn'] },
    run: async (scene, times) => {
      for (let i = 0; i < times; i++) {
        await loseWebAndEmpty(scene);
        await demandWorking(scene);
        await loseWebWhileAway(scene);
        await demandWorking(scene);
      }
    },
  },
  {
    name: 'web-killed-with-backlog',
    how: 'Redis killed, so many jobs accepted, every web process killed with -9; then Redis and they are started',
    holds: 'all of them are relayed within 10 s of the start',
    doses: { unit: 'jobs', short: [10_000], long: [10_000] },
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
        async () => {
          const { pending } = await lookAtJournals(service);
          note(`${pending} are to be relayed`);
          return pending;
        },
        (pending) => pending === 0,
        2 * MUST_BACKLOG_MS,
      );
      const ms = Math.round(clock.nowMs - startedMs);
      scene.demand(`all relayed (promised ${BACKLOG_MS} ms)`, ms <= MUST_BACKLOG_MS, `${ms} ms`);
    },
  },
  {
    name: 'worker-killed',
    how: 'kill -9 of a worker at a random moment, started again; and the next',
    holds: 'enqueue answers 202 all along; no attempt is spent',
    doses: { unit: 'times', short: [5], long: [200] },
    load: { rate: 40, kinds: ['apply', 'other', 'bare', 'delayed', 'exclusive', 'gathered', 'wrong'] },
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
    load: { rate: 40, balanced: true, retries: 0 },
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
    holds: 'every process ends within its deadline and 5 s: 30 s by default',
    doses: { unit: 'times', short: [1], long: [1] },
    load: { rate: 40 },
    run: async (scene) => {
      const { service, clock, note } = scene;
      const mostMs = SHUTDOWN_MS + BEYOND_DEADLINE_MS;
      service.redis.pause();
      await clock.after(scene.random.whole(0, 1500));
      note('Redis paused; SIGTERM to everything');
      await Promise.all(
        service.processes.map(async (process) => {
          const startedMs = clock.nowMs;
          await process.end('SIGTERM', 3 * mostMs);
          const ms = Math.round(clock.nowMs - startedMs);
          scene.demand(`${process.name} ends (promised ${mostMs} ms)`, ms <= mostMs, `${ms} ms`);
        }),
      );
      service.redis.resume();
      await service.calm();
      note('everything runs again');
      await demandWorking(scene);
    },
  },
];
