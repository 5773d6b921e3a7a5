/**
 * What is counted and timed in this process. Recording is memory only: it never waits and never fails.
 *
 * Jobs run in worker processes, which have no HTTP port; so what is counted here goes, as differences, into totals in
 * the queue Redis (`metric-totals.ts`), and every web process shows those (`metrics-page.ts`). HTTP requests alone are
 * counted for each web process by itself.
 */

import { randomUUID } from 'node:crypto';
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Histogram, Registry } from 'prom-client';

/** A metric that is summed over all processes. Histograms have buckets, in seconds; counters have none. */
export interface TotalledMetric {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
}

const WAIT_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 7200];
const RUN_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const SHORT_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

const JOB_WAIT = {
  name: 'millrace_job_wait_seconds',
  help: 'From when an attempt could have started until it did.',
  labels: ['queue', 'job'],
  buckets: WAIT_BUCKETS,
};
const JOB_RUN = {
  name: 'millrace_job_run_seconds',
  help: 'How long an attempt ran, by how it ended.',
  labels: ['queue', 'job', 'outcome'],
  buckets: RUN_BUCKETS,
};
const JOB_OUTCOMES = {
  name: 'millrace_job_outcomes_total',
  help: 'Attempts by how they ended: completed, retry, dead, later (no attempt spent) or put-back (worker stopping).',
  labels: ['queue', 'job', 'outcome'],
};
const JOB_RETRIES = {
  name: 'millrace_job_retries_total',
  help: 'Attempts that failed and spent one of the tries of their job.',
  labels: ['queue', 'job'],
};
const ISOLATED_CRASHES = {
  name: 'millrace_isolated_crashes_total',
  help: 'Processes of isolated jobs that ended without a result and were not told to.',
  labels: ['queue', 'job'],
};
const CACHE_READS = {
  name: 'millrace_cache_reads_total',
  help: 'Reads through the cache: hit, miss, or bypass while the cache could not be asked.',
  labels: ['outcome'],
};
const LOCK_WAIT = {
  name: 'millrace_lock_wait_seconds',
  help: 'How long an attempt waited for a resource, and whether it got it.',
  labels: ['kind', 'outcome'],
  buckets: SHORT_BUCKETS,
};
const LOOP_DELAY = {
  name: 'millrace_event_loop_delay_seconds',
  help: 'Longest delay of the event loop in each 2 s of each process.',
  labels: ['role'],
  buckets: SHORT_BUCKETS,
};

/** Every metric that is summed over all processes. */
export const TOTALLED: readonly TotalledMetric[] = [
  JOB_WAIT,
  JOB_RUN,
  JOB_OUTCOMES,
  JOB_RETRIES,
  ISOLATED_CRASHES,
  CACHE_READS,
  LOCK_WAIT,
  LOOP_DELAY,
];

/** How an attempt went. Times in milliseconds. */
export interface MeasuredAttempt {
  readonly queue: string;
  readonly job: string;
  readonly outcome: string;
  readonly waitMs: number;
  readonly runMs: number;
}

/** An answered request. `route` is the pattern that matched, never the path itself. */
export interface MeasuredRequest {
  readonly route: string;
  readonly method: string;
  readonly status: number;
  readonly ms: number;
}

export interface MetricsOptions {
  /** Role of the process: `web` or `worker`. */
  readonly role: string;
}

/** The recording functions may be handed on by themselves: they are bound. */
export class Metrics {
  /** Names this process among those that add to the totals. */
  readonly processId = randomUUID();
  /** What goes into the totals. */
  readonly totalled = new Registry();
  /** What stays with this process. */
  readonly own = new Registry();
  readonly #role: string;
  readonly #wait = this.#histogram(JOB_WAIT);
  readonly #run = this.#histogram(JOB_RUN);
  readonly #outcomes = this.#counter(JOB_OUTCOMES);
  readonly #retries = this.#counter(JOB_RETRIES);
  readonly #isolatedCrashes = this.#counter(ISOLATED_CRASHES);
  readonly #cacheReads = this.#counter(CACHE_READS);
  readonly #lockWait = this.#histogram(LOCK_WAIT);
  readonly #loopDelay = this.#histogram(LOOP_DELAY);
  readonly #loop: IntervalHistogram = monitorEventLoopDelay({ resolution: 10 });
  readonly #requests = new Histogram({
    name: 'millrace_http_request_duration_seconds',
    help: 'From the head of a request until the end of its answer.',
    labelNames: ['route', 'method', 'status'],
    buckets: SHORT_BUCKETS,
    registers: [this.own],
  });

  constructor({ role }: MetricsOptions) {
    this.#role = role;
    this.#loop.enable();
  }

  /** An attempt has ended. */
  readonly attempt = ({ queue, job, outcome, waitMs, runMs }: MeasuredAttempt): void => {
    this.#wait.observe({ queue, job }, seconds(waitMs));
    this.#run.observe({ queue, job, outcome }, seconds(runMs));
    this.#outcomes.inc({ queue, job, outcome });
    if (outcome === 'retry') this.#retries.inc({ queue, job });
  };

  /** The process of an isolated job has crashed. */
  readonly isolatedCrash = (queue: string, job: string): void => {
    this.#isolatedCrashes.inc({ queue, job });
  };

  /** Somebody has waited for a resource of this kind. */
  readonly lockWait = (kind: string, ms: number, outcome: string): void => {
    this.#lockWait.observe({ kind, outcome }, seconds(ms));
  };

  /** A read through the cache was answered. */
  readonly cacheRead = (outcome: string): void => {
    this.#cacheReads.inc({ outcome });
  };

  /** A request was answered. */
  readonly request = ({ route, method, status, ms }: MeasuredRequest): void => {
    this.#requests.observe({ route, method, status }, seconds(ms));
  };

  /** Record the longest delay of the event loop since the last call. */
  sampleLoop(): void {
    // Nanoseconds; the resolution of the monitor is part of every sample.
    if (this.#loop.count > 0) this.#loopDelay.observe({ role: this.#role }, Math.max(0, this.#loop.max / 1e9 - 0.01));
    this.#loop.reset();
  }

  /** Stop watching the event loop. */
  stop(): void {
    this.#loop.disable();
  }

  #counter({ name, help, labels }: TotalledMetric): Counter {
    return new Counter({ name, help, labelNames: [...labels], registers: [this.totalled] });
  }

  #histogram({ name, help, labels, buckets = [] }: TotalledMetric): Histogram {
    return new Histogram({ name, help, labelNames: [...labels], buckets: [...buckets], registers: [this.totalled] });
  }
}

/** Clocks of two machines differ: a job can seem to start before it was due. */
function seconds(ms: number): number {
  return ms > 0 ? ms / 1000 : 0;
}
