/** What a fault is: what it does to the service under load, for how long, and what must hold meanwhile. */

import type { Redis } from 'ioredis';
import type { Clock } from './clock.ts';
import type { Driver } from './driver.ts';
import { type Kind, QUICK_KINDS, type Route, type Shipment } from './request-plan.ts';
import type { Random } from './seed.ts';
import type { Service } from './service.ts';
import type { Watch } from './watch.ts';

/** The load under which a fault happens. */
export interface Load {
  /** Jobs a second. */
  readonly rate: number;
  /** HTTP requests under way, at most. */
  readonly concurrency: number;
  readonly kinds: readonly Kind[];
  readonly routes?: Readonly<Partial<Record<Route, number>>>;
  /** Jobs in a bulk request or a stream, at most. */
  readonly largest?: number;
  /** Times that a keyed request is repeated after a 5xx or no answer. */
  readonly retries?: number;
  /** As a load balancer: straight to the web processes, and to another one when one refuses. */
  readonly balanced?: boolean;
  /** Web processes that are asked, by place; all unless told. */
  readonly webs?: readonly number[];
}

/** What a fault may touch, and where it says what it saw. */
export interface Scene {
  readonly service: Service;
  /** A connection of the harness's own to the queue Redis, past the proxies. */
  readonly redis: Redis;
  readonly driver: Driver;
  readonly clock: Clock;
  readonly random: Random;
  /** The run's first number. */
  readonly first: number;
  /** Requests of the run's plan that the driver has not sent: for a fault that sends them itself. */
  plan(kinds: readonly Kind[], route: Route, jobs: number, size: number): Shipment[];
  /** Write into the driver's log what is done. */
  note(text: string): void;
  /** A figure for the report. */
  report(what: string, value: string): void;
  /** A figure that must hold. */
  demand(what: string, holds: boolean, value: string): void;
}

export interface Fault {
  readonly name: string;
  /** How it is done. */
  readonly how: string;
  /** What must hold, besides what the checker proves. */
  readonly holds: string;
  /** How much of it: milliseconds of outage, times, or jobs. One run for each. */
  readonly doses: {
    readonly unit: 'ms' | 'times' | 'jobs';
    readonly short: readonly number[];
    readonly long: readonly number[];
  };
  /** Other than the usual load. */
  readonly load?: Partial<Load>;
  /** Why it cannot be done on this machine; undefined when it can. The folder may be used to try. */
  lacks?(folder: string): string | undefined;
  run(scene: Scene, dose: number): Promise<void>;
  /** Looks once more when all work is done. */
  afterwards?(scene: Scene): Promise<void>;
}

export const USUAL_LOAD: Load = {
  rate: 80,
  concurrency: 32,
  retries: 2,
  kinds: QUICK_KINDS,
  routes: { single: 0.9, bulk: 0.06, stream: 0.04 },
  largest: 12,
};

/** Take something away for `ms`, and bring it back. Returns what callers saw meanwhile. */
export async function outage(
  { clock, driver, note }: Scene,
  { ms, what, away, back }: { ms: number; what: string; away(): Promise<void>; back(): Promise<void> },
): Promise<Watch> {
  note(`${what}: away for ${ms} ms`);
  await away();
  const watch = driver.watch();
  await clock.after(ms);
  watch.close();
  note(`${what}: coming back`);
  await back();
  note(`${what}: back`);
  return watch;
}
