/**
 * The pool of one queue in one process: takes jobs, runs attempts, and does with each what its outcome says.
 *
 * Promises: a job whose worker dies is taken by another within 10 s; being taken over counts against no job; on stop
 * no new job is taken, running ones get until shortly before the deadline and are then put back, available at once and
 * with no attempt spent. While Redis is away the pool waits for it.
 */

import { DelayedError, type Job, UnrecoverableError, WaitingError, Worker } from 'bullmq';
import { AppError, messageOf } from '../src/errors.ts';
import { type Deadline, type Lifecycle, within } from '../src/lifecycle.ts';
import type { Logger } from '../src/logger.ts';
import type { Envelope } from '../src/queue/envelope.ts';
import { JOB_DEFAULTS } from '../src/queue/job.ts';
import { failureText } from '../src/queue/job-view.ts';
import type { Completion } from '../src/queue/queues.ts';
import type { Redis } from '../src/redis/connections.ts';
import type { RunTools } from './attempt.ts';
import { backoffMs, type Outcome, outcomeOf } from './outcome.ts';
import { LOCK_MS, type PoolRow, STALLED_MS } from './pools.ts';
import { runJob } from './run-job.ts';

type QueuedJob = Job<Envelope, Completion, string>;

/** What is measured of every attempt. Times in milliseconds. */
export interface AttemptMeasure {
  readonly queue: string;
  readonly job: string;
  readonly outcome: 'completed' | Outcome['kind'];
  /** From when it could have started until it did. */
  readonly waitMs: number;
  readonly runMs: number;
}

export interface PoolOptions {
  readonly queue: string;
  readonly row: PoolRow;
  readonly redis: Redis;
  readonly prefix: string;
  readonly tools: RunTools;
  readonly logger: Logger;
  readonly measure: (attempt: AttemptMeasure) => void;
}

/** Seconds that a finished job and a dead letter stay readable: a day, and two weeks. */
const KEEP_COMPLETED_S = 86_400;
const KEEP_DEAD_S = 14 * 86_400;
/** Milliseconds before the deadline at which attempts still running are put back. */
const PUT_BACK_MS = 3000;
/** A stall is a crash of the worker, not of the job: it never makes a job dead. */
const NEVER = 1_000_000_000;

export class Pool implements Lifecycle {
  readonly #queue: string;
  readonly #tools: RunTools;
  readonly #logger: Logger;
  readonly #measure: PoolOptions['measure'];
  readonly #worker: Worker<Envelope, Completion, string>;
  readonly #running = new Map<string, AbortController>();
  #stopped: Promise<void> | undefined;

  constructor({ queue, row, redis, prefix, tools, logger, measure }: PoolOptions) {
    this.#queue = queue;
    this.#tools = tools;
    this.#logger = logger.child({ queue });
    this.#measure = measure;
    this.#worker = new Worker(queue, (job, token) => this.#process(job, token ?? ''), {
      connection: redis,
      prefix,
      autorun: false,
      concurrency: row.concurrency,
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_MS,
      maxStalledCount: NEVER,
      removeOnComplete: { age: KEEP_COMPLETED_S },
      removeOnFail: { age: KEEP_DEAD_S },
      metrics: { maxDataPoints: 1440 },
      settings: { backoffStrategy: (made, _type, _error, job) => this.#backoff(job?.name, made) },
    });
    this.#worker.on('error', (error) => this.#logger.warn({ err: { message: error.message } }, 'worker error'));
    this.#worker.on('lockRenewalFailed', (ids) => {
      const lost = new AppError('lock-lost', 'The worker lost the job: another may run it.');
      for (const id of ids) this.#running.get(id)?.abort(lost);
    });
  }

  async start(): Promise<void> {
    if (this.#worker.isRunning()) return;
    this.#worker.run().catch((error: unknown) => {
      this.#logger.error({ err: error }, 'the pool ended unexpectedly');
    });
  }

  stop(deadline: Deadline): Promise<void> {
    this.#stopped ??= this.#stop(deadline);
    return this.#stopped;
  }

  async #stop(deadline: Deadline): Promise<void> {
    const putBack = setTimeout(
      () => {
        const stopping = new AppError('shutting-down', 'The worker is stopping; the job is put back.');
        for (const running of this.#running.values()) running.abort(stopping);
      },
      Math.max(0, deadline.leftMs - PUT_BACK_MS),
    );
    try {
      // close() can hang while Redis is paused: the deadline is ours.
      await within(deadline.leftMs, this.#worker.close(), () => new Error('the pool was still closing'));
    } finally {
      clearTimeout(putBack);
    }
  }

  async #process(job: QueuedJob, token: string): Promise<Completion> {
    const id = job.id ?? '';
    const stop = new AbortController();
    this.#running.set(id, stop);
    const startedMs = this.#tools.clock();
    const finish = (outcome: AttemptMeasure['outcome'], extra: object) => {
      const runMs = this.#tools.clock() - startedMs;
      const waitMs = Math.max(0, startedMs - (job.timestamp + job.delay));
      this.#measure({ queue: this.#queue, job: job.name, outcome, waitMs, runMs });
      const level = outcome === 'completed' ? 'info' : outcome === 'later' ? 'debug' : 'warn';
      const { requestId, tenant } = job.data;
      this.#logger[level]({ jobId: id, job: job.name, tenant, requestId, runMs, ...extra }, `job ${outcome}`);
    };
    try {
      const completion = await runJob(
        {
          id,
          name: job.name,
          data: job.data,
          failedAttempts: job.attemptsMade,
          startedBefore: job.attemptsStarted > 1,
          lastAttempt: isLast(job),
          progress: (value) => job.updateProgress(value),
        },
        stop.signal,
        this.#tools,
      );
      finish('completed', {});
      return completion;
    } catch (error) {
      const outcome = outcomeOf(error);
      finish(outcome.kind, outcome.kind === 'put-back' ? {} : { why: outcome });
      throw await this.#settle(job, token, outcome, error);
    } finally {
      // A job whose lock was lost may have come back to this very worker: that attempt's controller stays.
      if (this.#running.get(id) === stop) this.#running.delete(id);
    }
  }

  /** Do what the outcome says, and return what BullMQ wants thrown for it. */
  async #settle(job: QueuedJob, token: string, outcome: Outcome, cause: unknown): Promise<Error> {
    switch (outcome.kind) {
      case 'later':
        await job.moveToDelayed(this.#tools.clock() + outcome.delayMs, token);
        return new DelayedError(outcome.why);
      case 'put-back':
        await job.moveToWait(token);
        return new WaitingError('put back');
      case 'dead':
        await this.#withdraw(job);
        return new UnrecoverableError(failureText(outcome.code, outcome.message));
      case 'retry': {
        if (isLast(job)) await this.#withdraw(job);
        return new Error(failureText(outcome.code, outcome.message), { cause });
      }
    }
  }

  /** A dead job's gathered request must not reach its neighbours' runs. Its payload stays in the dead letter. */
  async #withdraw(job: QueuedJob): Promise<void> {
    try {
      await this.#tools.collectedRequests.withdraw(job.id ?? '');
    } catch (error) {
      this.#logger.warn({ jobId: job.id, err: { message: messageOf(error) } }, 'a dead request stays open');
    }
  }

  #backoff(name: string | undefined, made: number): number {
    const definition = this.#tools.catalog.findStored(name ?? '');
    return backoffMs((definition ?? JOB_DEFAULTS).backoff, made);
  }
}

/** Is the job dead if this attempt fails? */
function isLast(job: QueuedJob): boolean {
  return job.attemptsMade + 1 >= (job.opts.attempts ?? 1);
}
