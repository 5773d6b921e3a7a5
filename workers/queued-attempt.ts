/** A job of BullMQ's as an attempt sees it. One for each attempt: whatever is asked for seldom is not made beforehand. */

import type { TakenJob } from './attempt.ts';
import type { QueuedJob } from './consumer.ts';

export class QueuedAttempt implements TakenJob {
  readonly id: string;
  readonly name: string;
  readonly data: unknown;
  readonly timestamp: number;
  readonly failedAttempts: number;
  readonly startedBefore: boolean;
  readonly lastAttempt: boolean;
  readonly #job: QueuedJob;

  constructor(job: QueuedJob) {
    this.id = job.id ?? '';
    this.name = job.name;
    this.data = job.data;
    this.timestamp = job.timestamp;
    this.failedAttempts = job.attemptsMade;
    this.startedBefore = job.attemptsStarted > 1;
    this.lastAttempt = isLast(job);
    this.#job = job;
  }

  progress(value: number | object): Promise<void> {
    return this.#job.updateProgress(value);
  }

  async crashed(): Promise<number> {
    const { data, attemptsMade } = this.#job;
    // A job that a person has retried starts anew: it has no failed attempts, whatever its data remember.
    const crashes = Math.min(data.crashes ?? 0, attemptsMade) + 1;
    await this.#job.updateData({ ...data, crashes });
    return crashes;
  }
}

/** Is the job dead if this attempt fails? */
export function isLast(job: QueuedJob): boolean {
  return job.attemptsMade + 1 >= (job.opts.attempts ?? 1);
}
