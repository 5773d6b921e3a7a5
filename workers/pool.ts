/**
 * The pool of one queue in one process: takes jobs, runs attempts, and does with each what its outcome says.
 *
 * Promises: a job whose worker dies is taken by another within 10 s; being taken over counts against no job; on stop
 * no new job is taken, running ones get until shortly before the deadline and are then put back, available at once and
 * with no attempt spent. While Redis is away the pool waits for it. A pool that has gone deaf can be given a new
 * consumer in place; jobs that run are not touched by that.
 */

import { DelayedError, UnrecoverableError, WaitingError } from 'bullmq';
import { AppError, messageOf } from '../src/errors.ts';
import { type Deadline, type Lifecycle, within } from '../src/lifecycle.ts';
import type { Logger } from '../src/logger.ts';
import { JOB_DEFAULTS } from '../src/queue/job.ts';
import { failureText } from '../src/queue/job-view.ts';
import type { Completion } from '../src/queue/queues.ts';
import type { RunTools, TakenJob } from './attempt.ts';
import { CompletedLines } from './completed-lines.ts';
import { Consumer, type ConsumerOptions, type QueuedJob } from './consumer.ts';
import { Ending } from './ending.ts';
import { backoffMs, type Outcome, outcomeOf } from './outcome.ts';
import { runJob } from './run-job.ts';
import type { Watched } from './watchdog.ts';

/** What is measured of every attempt. Times in milliseconds. */
export interface AttemptMeasure {
  readonly queue: string;
  readonly job: string;
  readonly outcome: 'completed' | Outcome['kind'];
  /** From when it could have started until it did. */
  readonly waitMs: number;
  readonly runMs: number;
}

export interface PoolOptions extends Pick<ConsumerOptions, 'queue' | 'row' | 'connect' | 'prefix' | 'logger'> {
  readonly tools: RunTools;
  readonly measure: (attempt: AttemptMeasure) => void;
}

/** Milliseconds before the deadline at which attempts still running are put back. */
const PUT_BACK_MS = 3000;
/** Milliseconds that a replaced consumer may take to let go of its connections. */
const RETIRE_MS = 5000;

export class Pool implements Lifecycle, Watched {
  readonly queue: string;
  readonly #tools: RunTools;
  readonly #logger: Logger;
  readonly #completedLines: CompletedLines;
  readonly #measure: PoolOptions['measure'];
  readonly #consume: () => Consumer;
  readonly #retired = new Set<Promise<void>>();
  readonly #running = new Map<string, Ending>();
  #consumer: Consumer;
  #started = false;
  #taken = 0;
  #stopped: Promise<void> | undefined;

  constructor({ tools, measure, ...options }: PoolOptions) {
    this.queue = options.queue;
    this.#tools = tools;
    this.#logger = options.logger.child({ queue: this.queue });
    this.#completedLines = new CompletedLines(this.#logger);
    this.#measure = measure;
    this.#consume = () =>
      new Consumer({
        ...options,
        logger: this.#logger,
        process: (job, token) => this.#process(job, token),
        lost: (ids) => this.#lose(ids),
        backoff: (name, made) => this.#backoff(name, made),
      });
    this.#consumer = this.#consume();
  }

  async start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    this.#consumer.start();
  }

  stop(deadline: Deadline): Promise<void> {
    this.#stopped ??= this.#stop(deadline);
    return this.#stopped;
  }

  get running(): number {
    return this.#running.size;
  }

  get taken(): number {
    return this.#taken;
  }

  get ended(): boolean {
    return this.#consumer.ended;
  }

  checkConnection(): void {
    this.#consumer.checkConnection();
  }

  rebuild(): void {
    if (this.#stopped !== undefined) return;
    const retired = this.#consumer.retire(RETIRE_MS).finally(() => this.#retired.delete(retired));
    this.#retired.add(retired);
    this.#consumer = this.#consume();
    this.#consumer.start();
  }

  async #stop(deadline: Deadline): Promise<void> {
    const putBack = setTimeout(
      () => {
        const stopping = new AppError('shutting-down', 'The worker is stopping; the job is put back.');
        for (const ending of this.#running.values()) ending.end(stopping);
      },
      Math.max(0, deadline.leftMs - PUT_BACK_MS),
    );
    try {
      await this.#consumer.close(deadline);
      const late = () => new Error('a replaced worker was still closing');
      await within(deadline.leftMs, Promise.all(this.#retired), late);
    } finally {
      clearTimeout(putBack);
      this.#completedLines.flush();
    }
  }

  async #process(job: QueuedJob, token: string): Promise<Completion> {
    const id = job.id ?? '';
    const ending = new Ending();
    this.#running.set(id, ending);
    this.#taken += 1;
    const startedMs = this.#tools.clock();
    try {
      const completion = await runJob(takenFrom(job, id), ending, this.#tools);
      this.#tell(job, startedMs, undefined);
      return completion;
    } catch (error) {
      const outcome = outcomeOf(error);
      this.#tell(job, startedMs, outcome);
      throw await this.#settle(job, token, outcome, error);
    } finally {
      // A job whose lock was lost may have come back to this very worker: that attempt's ending stays.
      if (this.#running.get(id) === ending) this.#running.delete(id);
    }
  }

  /** Measure an attempt and log how it ended; undefined: completed. */
  #tell(job: QueuedJob, startedMs: number, why: Outcome | undefined): void {
    const nowMs = this.#tools.clock();
    const runMs = nowMs - startedMs;
    const waitMs = Math.max(0, startedMs - (job.timestamp + job.delay));
    const outcome = why?.kind ?? 'completed';
    this.#measure({ queue: this.queue, job: job.name, outcome, waitMs, runMs });
    const { requestId, tenant } = job.data;
    const line = { jobId: job.id, job: job.name, tenant, requestId, runMs };
    if (why === undefined) this.#completedLines.write(nowMs, line);
    else if (why.kind === 'later') this.#logger.debug({ ...line, why }, 'job later');
    else this.#logger.warn(why.kind === 'put-back' ? line : { ...line, why }, `job ${outcome}`);
  }

  #lose(ids: readonly string[]): void {
    const lost = new AppError('lock-lost', 'The worker lost the job: another may run it.');
    for (const id of ids) this.#running.get(id)?.end(lost);
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

function takenFrom(job: QueuedJob, id: string): TakenJob {
  return {
    id,
    name: job.name,
    data: job.data,
    failedAttempts: job.attemptsMade,
    startedBefore: job.attemptsStarted > 1,
    lastAttempt: isLast(job),
    progress: (value) => job.updateProgress(value),
  };
}

/** Is the job dead if this attempt fails? */
function isLast(job: QueuedJob): boolean {
  return job.attemptsMade + 1 >= (job.opts.attempts ?? 1);
}
