/**
 * One run of one fault: load, the fault, quiet, the checker's verdict, a report.
 *
 * Promises: the seed and the dose decide everything random in it; a run that fails says with which command it is played
 * again, and shows the driver's lines about every request that went wrong.
 */

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { messageOf } from '../../../src/errors.ts';
import { check, explain } from './checker.ts';
import { Driver } from './driver.ts';
import { DriverLog } from './driver-log.ts';
import type { Accounts } from './evidence.ts';
import { type Fault, type Load, type Scene, USUAL_LOAD } from './fault.ts';
import { isQuiet } from './quiet.ts';
import { type Kind, planRequests, type Route, type Shipment } from './request-plan.ts';
import type { Random, Seed } from './seed.ts';
import { Sender } from './sender.ts';
import type { Service } from './service.ts';
import { gatherEvidence, lookAtJournals, openRedis } from './store-evidence.ts';

export interface FaultRun {
  readonly fault: Fault;
  readonly dose: number;
  readonly service: Service;
  readonly seed: Seed;
  /** The first number; runs on one service must lie `NUMBERS_PER_RUN` apart. */
  readonly first: number;
  /** How the run is played again. */
  readonly replay: string;
}

export interface Report {
  readonly fault: string;
  readonly dose: string;
  readonly accounts: Accounts | undefined;
  /** What was measured, in order. */
  readonly figures: readonly (readonly [string, string])[];
  /** Everything that does not hold; empty when all is well. */
  readonly problems: readonly string[];
  /** Folder with the driver's log. */
  readonly folder: string;
}

export const NUMBERS_PER_RUN = 10_000_000;
const SELF_SENT = NUMBERS_PER_RUN / 2;
const WARM_UP_MS = 700;
const COOL_DOWN_MS = 700;
const REQUEST_MS = 15_000;
const PATIENCE = { stuckMs: 30_000, mostMs: 300_000 } as const;

/** Run a fault and judge it. Never throws because of the service: what goes wrong is among the problems. */
export async function runFault(run: FaultRun): Promise<Report> {
  const { fault, dose, service, seed, first, replay } = run;
  const name = `${fault.name}-${dose}`;
  const folder = join(service.folder, `${first}-${name}`);
  mkdirSync(folder, { recursive: true });
  const logPath = join(folder, 'driver.log');
  const log = new DriverLog(logPath, () => service.clock.nowMs);
  log.note(`${fault.name} ${dose} seed ${seed.value}: ${replay}`);
  const redis = openRedis(service);
  const load: Load = { ...USUAL_LOAD, ...fault.load };
  const sender = new Sender({ connections: load.concurrency, deadlineMs: REQUEST_MS });
  const figures: [string, string][] = [];
  const problems: string[] = [];
  let accounts: Accounts | undefined;
  try {
    service.reseed(seed.part('lines'));
    const driver = driverOf(run, load, { log, sender, name });
    const scene = sceneOf(run, { redis, driver, log, figures, problems });
    const whole = driver.watch();
    await inflict(run, load, scene, problems);
    figures.push(['callers in all', whole.toString()]);
    if (whole.withoutRetryAfter > 0) problems.push(`${whole.withoutRetryAfter} answers 503 without Retry-After`);
    log.note('the load has ended');
    await service.calm();
    const calmMs = service.clock.nowMs;
    const restless = await isQuiet(service, redis, PATIENCE, (text) => log.note(text));
    if (restless !== undefined) problems.push(restless);
    const journal = await lookAtJournals(service);
    // Jobs that move while they are counted are counted twice, or not at all.
    if (restless !== undefined) await service.freeze();
    figures.push(['quiet after the load', `${Math.round(service.clock.nowMs - calmMs)} ms`]);
    log.note('quiet');
    const bounds = { log: logPath, from: first, to: first + NUMBERS_PER_RUN };
    const evidence = gatherEvidence(service, redis, bounds, journal);
    const verdict = await check(evidence, first);
    accounts = verdict.accounts;
    problems.push(...(await explain(verdict, evidence.lines())));
    await fault.afterwards?.(scene);
  } catch (error) {
    problems.push(toldOf(error));
  } finally {
    sender.close();
    redis.disconnect();
    log.close();
  }
  const dosed = `${dose} ${fault.doses.unit}`;
  return { fault: fault.name, dose: dosed, accounts, figures, problems, folder };
}

/** The fault under load. What goes wrong is a problem; what was accepted is judged all the same. */
async function inflict({ fault, dose }: FaultRun, load: Load, scene: Scene, problems: string[]): Promise<void> {
  const { driver, clock } = scene;
  driver.start();
  try {
    if (load.rate > 0) await clock.after(WARM_UP_MS);
    await fault.run(scene, dose);
    if (load.rate > 0) await clock.after(COOL_DOWN_MS);
  } catch (error) {
    problems.push(toldOf(error));
  } finally {
    await driver.halt();
  }
}

/** An error with what caused it. */
function toldOf(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : '';
  return messageOf(error) + cause;
}

function driverOf(
  { service, seed, first }: FaultRun,
  load: Load,
  { log, sender, name }: { log: DriverLog; sender: Sender; name: string },
): Driver {
  const fronts = service.webs.map((web, i) => {
    const port = load.balanced ? service.webPorts[i] : service.lines.fronts[i]?.port;
    return { name: web.name, port: port ?? 0 };
  });
  const plan = planRequests({
    random: seed.row('requests'),
    base: first,
    name: `${name}-${seed.value}`,
    kinds: load.kinds,
    routes: load.routes,
    largest: load.largest,
  });
  const { rate, concurrency, retries, balanced } = load;
  const asked = fronts.filter((_front, i) => load.webs?.includes(i) ?? true);
  return new Driver({ clock: service.clock, log, plan, sender, fronts: asked, rate, concurrency, retries, balanced });
}

interface Parts {
  readonly redis: Redis;
  readonly driver: Driver;
  readonly log: DriverLog;
  readonly figures: [string, string][];
  readonly problems: string[];
}

function sceneOf({ service, seed, first }: FaultRun, { redis, driver, log, figures, problems }: Parts): Scene {
  const random: Random = seed.row('fault');
  const own = seed.row('requests of the fault');
  let next = first + SELF_SENT;
  return {
    service,
    redis,
    driver,
    clock: service.clock,
    random,
    first,
    plan: (kinds, route, jobs, size) => {
      const shipments = planOf({ random: own, base: next, kinds, route, jobs, size });
      next += jobs;
      return shipments;
    },
    note: (text) => log.note(text),
    report: (what, value) => void figures.push([what, value]),
    demand: (what, holds, value) => {
      figures.push([what, value]);
      if (!holds) problems.push(`${what}: ${value}`);
    },
  };
}

interface OwnPlan {
  readonly random: Random;
  readonly base: number;
  readonly kinds: readonly Kind[];
  readonly route: Route;
  readonly jobs: number;
  readonly size: number;
}

/** So many jobs in requests of this size, numbered from `base`. */
function planOf({ random, base, kinds, route, jobs, size }: OwnPlan): Shipment[] {
  const each = planRequests({ random, base, name: 'own', kinds, keyed: 0 });
  const shipments: Shipment[] = [];
  for (let left = jobs; left > 0; left -= size) {
    const requests = Array.from({ length: Math.min(size, left) }, () => each.next().value.requests).flat();
    shipments.push({ route, draw: random.next(), requests });
  }
  return shipments;
}

/** Remove what a run that went well has left. */
export function forget({ folder }: Report): void {
  rmSync(folder, { recursive: true, force: true });
}
