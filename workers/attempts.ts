/**
 * The attempts of one queue in one process: runs each, measures it, says how it ended, and does what its outcome says.
 *
 * Promises: an outcome that spends no attempt spends none; a dead job's gathered request reaches no other run. While a
 * store is away a job comes back later.
 */

import { DelayedError, UnrecoverableError, WaitingError } from 'bullmq';
import { messageOf } from '../src/errors.ts';
import type { Logger } from '../src/logger.ts';
import { JOB_DEFAULTS } from '../src/queue/job.ts';
import { failureText } from '../src/queue/job-view.ts';
import type { Completion } from '../src/queue/queues.ts';
import type { RunTools } from './attempt.ts';
import { type AttemptMeasure, AttemptMeasures } from './attempt-measures.ts';
import { CompletedLines, lineFields } from './completed-lines.ts';
import type { QueuedJob } from './consumer.ts';
import { Ending } from './ending.ts';
import { backoffMs, type Outcome, outcomeOf } from './outcome.ts';
import { isLast, QueuedAttempt } from './queued-attempt.ts';
import { runJob } from './run-job.ts';

export interface AttemptsOptions {
  readonly queue: string;
  readonly tools: RunTools;
  /** Bound to the queue. */
  readonly logger: Logger;
  readonly measure: (attempt: AttemptMeasure) => void;
}

/** What is measured of jobs that have no definition. */
const UNKNOWN = 'unknown';

/** Attempts under way, by job id. */
export type Running = Map<string, Ending>;

export class Attempts {
  readonly #queue: string;
  readonly #tools: RunTools;
  readonly #logger: Logger;
  readonly #completedLines: CompletedLines;
  readonly #measures: AttemptMeasures;
  #begun = 0;

  constructor({ queue, tools, logger, measure }: AttemptsOptions) {
    this.#queue = queue;
    this.#tools = tools;
    this.#logger = logger;
    this.#completedLines = new CompletedLines(logger);
    this.#measures = new AttemptMeasures(measure);
  }

  /** How many have begun so far. */
  get begun(): number {
    return this.#begun;
  }

  /** Run one attempt, noted in `running` meanwhile. Returns or throws what BullMQ wants for its outcome. */
  async run(running: Running, job: QueuedJob, token: string): Promise<Completion> {
    const id = job.id ?? '';
    const ending = new Ending();
    running.set(id, ending);
    this.#begun += 1;
    const startedMs = this.#tools.clock();
    try {
      const completion = await runJob(new QueuedAttempt(job), ending, this.#tools);
      this.#tell(job, startedMs, undefined);
      return completion;
    } catch (error) {
      const outcome = outcomeOf(error);
      this.#tell(job, startedMs, outcome);
      throw await this.#settle(job, token, outcome, error);
    } finally {
      // A job whose lock was lost may have come back to this very worker: that attempt's ending stays.
      if (running.get(id) === ending) running.delete(id);
    }
  }

  /** Measure an attempt and log how it ended; undefined: completed. */
  #tell(job: QueuedJob, startedMs: number, why: Outcome | undefined): void {
    const nowMs = this.#tools.clock();
    const runMs = nowMs - startedMs;
    const waitMs = Math.max(0, startedMs - dueMs(job));
    const outcome = why?.kind ?? 'completed';
    this.#measures.add({
      queue: this.#queue,
      // A name that no definition has may be anything: each would be a row of its own in the totals, for ever.
      job: this.#tools.catalog.findStored(job.name) === undefined ? UNKNOWN : job.name,
      tenant: job.data.tenant,
      outcome,
      waitMs,
      runMs,
      endedAtMs: nowMs,
      first: job.attemptsStarted <= 1,
      dead: outcome === 'dead' || (outcome === 'retry' && isLast(job)),
    });
    if (why === undefined) {
      this.#completedLines.write(job, nowMs, runMs);
      return;
    }
    const line = { ...lineFields(job), runMs };
    if (why.kind === 'later') this.#logger.debug({ ...line, why }, 'job later');
    else this.#logger.warn(why.kind === 'put-back' ? line : { ...line, why }, `job ${outcome}`);
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

  /** Measure and log what waits to be. */
  flush(): void {
    this.#completedLines.flush();
    this.#measures.flush();
  }

  /** Milliseconds before the attempt after `made` failed ones of a job of this name. */
  backoffMs(name: string | undefined, made: number): number {
    const definition = this.#tools.catalog.findStored(name ?? '');
    return backoffMs((definition ?? JOB_DEFAULTS).backoff, made);
  }
}

/** From when an attempt could have started. BullMQ forgets a job's delay when it is over; the envelope does not. */
function dueMs({ timestamp, delay, data }: QueuedJob): number {
  return Math.max(timestamp + delay, typeof data.runAt === 'number' ? data.runAt : 0);
}
