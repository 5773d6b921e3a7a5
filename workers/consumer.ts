/**
 * One BullMQ Worker with connections of its own: what a pool takes jobs with, and replaces when it has gone deaf.
 *
 * Promises: it waits for a Redis that is away and fetches again within 2 s of its return; a connection that stays open
 * but brings no answers is cut and opened anew, and what was not answered is sent again; closing lets running jobs end
 * and has a deadline. Where each limit comes from is in `docs/decisions/0015-lean-attempts.md`.
 */

import { type BackendFactory, createRedisBackend, type Job, type RedisQueueBackend, Worker } from 'bullmq';
import { type Deadline, pause, within } from '../src/lifecycle.ts';
import type { Logger } from '../src/logger.ts';
import { installedBullmqVersion, SCRIPTED_VERSION } from '../src/queue/bullmq-version.ts';
import type { Envelope } from '../src/queue/envelope.ts';
import type { Completion } from '../src/queue/queues.ts';
import { closeRedis, type Redis } from '../src/redis/connections.ts';
import { type BatchedCompletionOptions, completeTogether } from './batched-completion.ts';
import { LOCK_MS, type PoolRow, STALLED_MS } from './pools.ts';

export type QueuedJob = Job<Envelope, Completion, string>;

export interface ConsumerOptions {
  readonly queue: string;
  readonly row: PoolRow;
  /** Opens a client of the `worker` role. The consumer closes it. */
  readonly connect: () => Redis;
  readonly prefix: string;
  /** How long jobs that have ended can be seen. */
  readonly keep: { readonly completedHours: number; readonly deadDays: number };
  readonly logger: Logger;
  readonly process: (job: QueuedJob, token: string) => Promise<Completion>;
  /** What `process` has under way. */
  readonly running: { readonly size: number };
  /** Told of jobs that another worker may be running by now. */
  readonly lost: (ids: readonly string[]) => void;
  /** Milliseconds before the attempt after `made` failed ones. */
  readonly backoff: (name: string | undefined, made: number) => number;
}

const HOUR_S = 3600;
const DAY_S = 86_400;
/** A stall is a crash of the worker, not of the job: it never makes a job dead. */
const NEVER = 1_000_000_000;
/** Seconds of one blocking read: what a lost wake-up costs. BullMQ cuts the connection a second after it. */
const BLOCK_S = 1;
/** Milliseconds before BullMQ tries again what a lost connection has failed; 15 s by default. */
const RETRY_MS = 250;
/** Looks, 2.5 s apart, at which a PING may still be unanswered: longer than a Redis is normally paused. */
const QUIET_LOOKS = 4;
/** Milliseconds that BullMQ may take to close where nothing runs. */
const IDLE_CLOSE_MS = 1500;
/** Milliseconds for which the same error is not logged again: a Redis without memory fails each fetch. */
const SAME_ERROR_MS = 10_000;

interface BackendOptions extends Pick<BatchedCompletionOptions, 'client' | 'queue' | 'prefix' | 'keepMs'> {
  readonly concurrency: number;
}

/** BullMQ's own backend, which would block for 10 s while a job is delayed, and completes each job by itself. */
function backendFor({ concurrency, ...options }: BackendOptions): BackendFactory<RedisQueueBackend> {
  return (name, workerOptions, more) => {
    const backend = createRedisBackend(name, workerOptions, more);
    Object.defineProperty(backend, 'maximumBlockTimeout', { value: BLOCK_S });
    if (installedBullmqVersion() !== SCRIPTED_VERSION) return backend;
    const { maxDataPoints: dataPoints } = WORKER_SETTINGS.metrics;
    completeTogether(backend, { ...options, lockMs: LOCK_MS, dataPoints, most: Math.ceil(concurrency / 2) });
    return backend;
  };
}

/** How every pool runs BullMQ's Worker; the benchmark runs a bare one the same way. */
export const WORKER_SETTINGS = {
  drainDelay: BLOCK_S,
  runRetryDelay: RETRY_MS,
  lockDuration: LOCK_MS,
  stalledInterval: STALLED_MS,
  maxStalledCount: NEVER,
  removeOnComplete: { age: DAY_S },
  removeOnFail: { age: 14 * DAY_S },
  metrics: { maxDataPoints: 1440 },
};

export class Consumer {
  readonly #client: Redis;
  readonly #worker: Worker<Envelope, Completion, string>;
  readonly #logger: Logger;
  readonly #running: ConsumerOptions['running'];
  #ended = false;
  /** Looks since a PING was sent that is not answered yet; undefined: none is under way. */
  #quietLooks: number | undefined;
  #closing: Promise<void> | undefined;

  constructor({ queue, row, connect, prefix, keep, logger, process, running, lost, backoff }: ConsumerOptions) {
    this.#logger = logger;
    this.#running = running;
    this.#client = connect();
    // A question from before the outage says nothing about the connection after it.
    this.#client.on('connect', () => {
      if (this.#quietLooks !== undefined) this.#quietLooks = 0;
    });
    const keepMs = keep.completedHours * HOUR_S * 1000;
    const settings = {
      backoffStrategy: (made: number, _type?: string, _error?: Error, job?: { name: string }) =>
        backoff(job?.name, made),
    };
    this.#worker = new Worker<Envelope, Completion, string>(
      queue,
      (job, token = '') => process(job, token),
      {
        ...WORKER_SETTINGS,
        removeOnComplete: { age: keep.completedHours * HOUR_S },
        removeOnFail: { age: keep.deadDays * DAY_S },
        connection: this.#client,
        prefix,
        autorun: false,
        concurrency: row.concurrency,
        settings,
      },
      backendFor({ client: this.#client, queue, prefix, keepMs, concurrency: row.concurrency }),
    );
    this.#worker.on(
      'error',
      sometimes(SAME_ERROR_MS, ({ message }) => logger.warn({ err: { message } }, 'worker error')),
    );
    this.#worker.on('lockRenewalFailed', lost);
  }

  /** Its loop has ended though nobody closed it. */
  get ended(): boolean {
    return this.#ended;
  }

  start(): void {
    const over = (error?: unknown) => {
      if (this.#closing !== undefined) return;
      this.#ended = true;
      this.#logger.error({ err: error }, 'the pool ended unexpectedly');
    };
    this.#worker.run().then(over, over);
  }

  /** Ask whether the connection still brings answers; called every 2.5 s. After 10 s without one it is cut. */
  checkConnection(): void {
    const client = this.#client;
    // A Cluster's client looks after the connections to its nodes itself.
    if (client.isCluster || (client.status !== 'ready' && client.status !== 'connect')) return;
    if (this.#quietLooks === undefined) {
      const answered = () => {
        this.#quietLooks = undefined;
      };
      this.#quietLooks = 0;
      client.ping().then(answered, answered);
    } else if (++this.#quietLooks >= QUIET_LOOKS) {
      this.#logger.warn('the connection to Redis brings no answers; opening another');
      client.disconnect(true);
    }
  }

  /** Take no more jobs, let those that run end, close the connections; at the deadline, cut them and reject. */
  async close(deadline: Deadline): Promise<void> {
    const closing = this.#close();
    const ran = this.#running.size > 0;
    const late = () => new Error('the pool was still closing');
    try {
      if (await settlesWithin(Math.min(IDLE_CLOSE_MS, deadline.leftMs), closing)) return await closing;
      // BullMQ's close hangs while Redis is paused, and for ever on a blocking connection that is between two tries to
      // connect. Where nothing has run, nothing is left to be said to Redis.
      if (ran || this.#running.size > 0) await within(deadline.leftMs, closing, late);
    } finally {
      await closeRedis(this.#client, Math.min(1000, deadline.leftMs));
    }
  }

  /** Take no more jobs; cut the connections in `ms`, or when the jobs that still run have ended. Never rejects. */
  async retire(ms: number): Promise<void> {
    const closing = this.#close();
    while (!(await settlesWithin(ms, closing)) && this.#running.size > 0);
    this.#client.disconnect();
    if (!(await settlesWithin(ms, closing))) this.#logger.warn('a replaced worker did not close');
  }

  #close(): Promise<void> {
    this.#closing ??= this.#worker.close();
    return this.#closing;
  }
}

/** Has this ended within `ms`, well or badly? */
async function settlesWithin(ms: number, work: Promise<void>): Promise<boolean> {
  const settled = new AbortController();
  const end = () => settled.abort();
  work.then(end, end);
  await pause(ms, settled.signal);
  return settled.signal.aborted;
}

/** Calls `tell` unless it was told of an error with the same message within `ms`. */
function sometimes(ms: number, tell: (error: Error) => void): (error: Error) => void {
  let last = '';
  let untilMs = 0;
  return (error) => {
    const nowMs = Date.now();
    if (error.message === last && nowMs < untilMs) return;
    last = error.message;
    untilMs = nowMs + ms;
    tell(error);
  };
}
