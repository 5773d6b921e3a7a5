/**
 * Completes the jobs that end within one turn of the event loop together, and takes the next ones with the same call.
 *
 * Promises: each job gets the answer that BullMQ would have given it. A job that ends alone, and every job that is not
 * plain, goes BullMQ's own way; so do all where another BullMQ version is installed. A call that Redis refuses has done
 * nothing, and BullMQ's own way says why. While Redis is away a call waits as BullMQ's own would: one that was cut off
 * may have been carried out, and the jobs it has taken come back when their locks have expired.
 */

import { type RedisQueueBackend, raw2NextJobData } from 'bullmq';
import type { Redis } from '../src/redis/connections.ts';
import {
  COMPLETE_JOBS,
  type CompletedJob,
  type CompletionAnswer,
  type CompletionSettings,
  completeJobsArguments,
} from './complete-jobs.ts';

type Complete = RedisQueueBackend['moveToCompleted'];
type Completed = Awaited<ReturnType<Complete>>;

export interface BatchedCompletionOptions extends CompletionSettings {
  /** The client whose connection BullMQ's backend uses. */
  readonly client: Redis;
  /** Most jobs in one call: half of what runs at once, so that Redis and this process work at the same time. */
  readonly most: number;
}

/** Jobs in one call at most, however many run at once: they hold Redis for about a millisecond. */
const MOST_PER_CALL = 50;
/** Characters of results in one call, unless one alone is longer: Redis copies each twice, for the job and its event. */
const MOST_CHARACTERS = 1_000_000;

interface Waiting extends CompletedJob {
  /** BullMQ's own way. */
  readonly alone: () => Promise<Completed>;
  readonly settle: (completed: Promise<Completed>) => void;
}

interface CompletionScript {
  completeJobs(...keysAndValues: (string | number)[]): Promise<CompletionAnswer[]>;
}

/** Let `backend` complete jobs together. */
export function completeTogether(backend: RedisQueueBackend, options: BatchedCompletionOptions): void {
  const batched = new BatchedCompletion(backend, options);
  backend.moveToCompleted = batched.complete;
}

class BatchedCompletion {
  readonly #backend: RedisQueueBackend;
  readonly #alone: Complete;
  readonly #client: Redis & CompletionScript;
  readonly #settings: CompletionSettings;
  readonly #most: number;
  #waiting: Waiting[] = [];

  constructor(backend: RedisQueueBackend, { client, most, ...settings }: BatchedCompletionOptions) {
    client.defineCommand('completeJobs', { lua: COMPLETE_JOBS });
    this.#backend = backend;
    this.#alone = backend.moveToCompleted.bind(backend);
    this.#client = client as Redis & CompletionScript;
    this.#settings = settings;
    this.#most = Math.min(most, MOST_PER_CALL);
  }

  /** As BullMQ's `moveToCompleted`. */
  readonly complete: Complete = (job, returned, removeOnComplete, token, fetchNext) => {
    const alone = () => this.#alone(job, returned, removeOnComplete, token, fetchNext);
    const result = JSON.stringify(returned);
    // A job with a retention of its own, or without a result, is not plain.
    if (removeOnComplete !== undefined || result === undefined || job.id === undefined) return alone();
    const id = job.id;
    const takeNext = fetchNext && this.#backend.closing === undefined;
    return new Promise((settle) => {
      if (this.#waiting.push({ id, token, result, takeNext, alone, settle }) === 1) setImmediate(this.#send);
    });
  };

  readonly #send = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    while (waiting.length > 0) void this.#sendBatch(waiting.splice(0, this.#fitting(waiting)));
  };

  /** How many of the first ones go into one call. */
  #fitting(waiting: readonly Waiting[]): number {
    let characters = 0;
    const over = waiting.findIndex(({ result }, place) => {
      characters += result.length;
      return place > 0 && (place >= this.#most || characters > MOST_CHARACTERS);
    });
    return over === -1 ? waiting.length : over;
  }

  async #sendBatch(jobs: readonly Waiting[]): Promise<void> {
    const finishedOn = Date.now();
    const answers = jobs.length === 1 ? [] : await this.#ask(jobs, finishedOn);
    for (const [place, { alone, settle }] of jobs.entries()) {
      const answer = answers[place] ?? null;
      settle(answer === null ? alone() : completed(answer, finishedOn));
    }
  }

  /** No answers where Redis refuses: BullMQ then hears it for each job, and decides what it means. */
  async #ask(jobs: readonly Waiting[], nowMs: number): Promise<CompletionAnswer[]> {
    try {
      return await this.#client.completeJobs(...completeJobsArguments(this.#settings, jobs, nowMs));
    } catch {
      return [];
    }
  }
}

/** Rejects where the next job cannot be read, as BullMQ does: that is heard by the one that takes it, and by no other. */
async function completed(answer: NonNullable<CompletionAnswer>, finishedOn: number): Promise<Completed> {
  return { result: answer === 0 ? [] : raw2NextJobData(answer), finishedOn };
}
