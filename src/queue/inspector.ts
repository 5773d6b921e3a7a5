/**
 * Looking at jobs and queues, and the few things a person may do to them: cancel, retry.
 *
 * Promises: another tenant's job does not exist; a cancel first writes a tombstone and then removes the job, so that no
 * replay can raise it; every call is bounded. While Redis is away a job in this process's journal can be seen and cancelled, of any
 * other job `state-unknown` is said, and everything else rejects with `store-unavailable`.
 */

import type { CollectedRequests } from '../collected-requests.ts';
import type { Ledger } from '../database/ledger.ts';
import { AppError, isAppError } from '../errors.ts';
import type { JournalEntry } from '../journal/entry.ts';
import type { Breaker } from '../redis/breaker.ts';
import type { ListedJob } from './accepted-list.ts';
import { queueOfJobId } from './envelope.ts';
import { FINISHED, type JobView, rememberedView, type StoredJob, viewOf } from './job-view.ts';
import type { MillraceQueue, Queues } from './queues.ts';

/** How many jobs a queue holds, by state, and who works on it. */
export interface QueueView {
  readonly name: string;
  readonly counts: {
    readonly waiting: number;
    readonly active: number;
    readonly delayed: number;
    readonly prioritized: number;
    readonly completed: number;
    readonly failed: number;
  };
  /** Milliseconds since the oldest waiting job could have started; 0 when none waits. */
  readonly oldestWaitingMs: number;
  /** Worker processes that are connected to this queue. */
  readonly workers: number;
  readonly paused: boolean;
}

export interface InspectorOptions {
  readonly queues: Queues;
  readonly ledger: Ledger;
  readonly collectedRequests: CollectedRequests;
  readonly breaker: Breaker;
  /** Knows jobs that are accepted and not in Redis yet; without it there are none. */
  readonly keptJobs?: KeptJobs;
}

/** Jobs that are in a journal and not in Redis yet: in this process's, and in those of others. */
export interface KeptJobs {
  kept(tenant: string, id: string): Promise<JournalEntry | undefined>;
  /** `unknown`: there may be such a job. Rejects while Redis is away. */
  keptElsewhere(tenant: string, id: string): Promise<ListedJob | 'unknown' | undefined>;
  /** Do not hand over this job. Resolves once no call is under way that would. */
  withdraw(id: string): Promise<void>;
}

export class Inspector {
  readonly #queues: Queues;
  readonly #ledger: Ledger;
  readonly #collectedRequests: CollectedRequests;
  readonly #breaker: Breaker;
  readonly #keptJobs: KeptJobs | undefined;

  constructor({ queues, ledger, collectedRequests, breaker, keptJobs }: InspectorOptions) {
    this.#keptJobs = keptJobs;
    this.#queues = queues;
    this.#ledger = ledger;
    this.#collectedRequests = collectedRequests;
    this.#breaker = breaker;
  }

  /** One job. Throws `job-not-found`, also for another tenant's, and `state-unknown` while nobody can know. */
  async job(tenant: string, id: string): Promise<JobView> {
    const queue = this.#queueOf(id);
    let found: Awaited<ReturnType<typeof readJob>>;
    try {
      found = await this.#breaker.run(() => readJob(queue, id));
    } catch (error) {
      if (!isAppError(error, 'store-unavailable')) throw error;
      return (await this.#keptHere(tenant, id)) ?? Promise.reject(unknown(id, error));
    }
    if (found !== undefined) {
      if (found.job.data.tenant !== tenant) throw notFound(id);
      return viewOf(found.job, found.state);
    }
    return (
      (await this.#remembered(tenant, id, queue.name)) ??
      (await this.#keptHere(tenant, id)) ??
      (await this.#keptElsewhere(tenant, id)) ??
      Promise.reject(notFound(id))
    );
  }

  /** Every queue, by name. */
  async queues(): Promise<QueueView[]> {
    return Promise.all(this.#queues.all.map((queue) => this.#look(queue)));
  }

  /** One queue. Throws `unknown-queue`. */
  async queue(name: string): Promise<QueueView> {
    return this.#look(this.#queues.get(name));
  }

  /** Cancel a job that has not started. Throws `job-not-found`, `job-active` or `job-finished`. */
  async cancel(tenant: string, id: string): Promise<JobView> {
    const view = await this.job(tenant, id);
    if (view.state === 'cancelled') return view;
    if (FINISHED.has(view.state)) throw new AppError('job-finished', `The job is ${view.state}.`);
    if (view.state === 'active') throw new AppError('job-active', 'The job is running and cannot be cancelled.');
    const before = await this.#ledger.cancel({ jobId: id, tenant, job: view.job });
    if (before.outcome === 'applied') throw new AppError('job-finished', 'The effect of the job was applied already.');
    const queue = this.#queueOf(id);
    // Only a tombstone of our own is taken back: an older one stands for a cancel that was answered.
    const undo = async () => {
      if (before.outcome === 'none') await this.#ledger.uncancel(id);
    };
    if (view.state === 'accepted') await this.#keptJobs?.withdraw(id);
    if (await this.#remove(queue, id, view.state === 'accepted')) {
      await undo();
      throw new AppError('job-active', 'The job started just now and cannot be cancelled.');
    }
    if (!(await this.#collectedRequests.withdraw(id)) && (await this.#wasTaken(tenant, id))) {
      await undo();
      throw new AppError('job-finished', 'A run has taken the request already.');
    }
    return rememberedView(id, queue.name, { job: view.job, state: 'cancelled' });
  }

  /** Let a dead job run again, with all its attempts. Throws `job-not-found` or `job-not-dead`. */
  async retry(tenant: string, id: string): Promise<JobView> {
    const view = await this.job(tenant, id);
    if (view.state !== 'dead') throw new AppError('job-not-dead', `The job is ${view.state}.`);
    await this.#breaker.run(async () => {
      const job = await this.#queueOf(id).getJob(id);
      try {
        await job?.retry('failed', { resetAttemptsMade: true });
      } catch (error) {
        if (await job?.isFailed()) throw error;
        throw new AppError('job-not-dead', 'The job has been retried already.', { cause: error });
      }
    });
    return this.job(tenant, id);
  }

  /** The dead letters of a queue for one tenant, newest first, at most `limit` of the newest 1,000. */
  async dead(tenant: string, name: string, limit: number): Promise<JobView[]> {
    const queue = this.#queues.get(name);
    const jobs = await this.#breaker.run(() => queue.getFailed(0, 999));
    return jobs
      .filter((job) => job?.data.tenant === tenant)
      .map((job) => viewOf(job, 'failed'))
      .filter((view) => view.state === 'dead')
      .slice(0, limit);
  }

  /** Has a run taken this gathered request? */
  async #wasTaken(tenant: string, id: string): Promise<boolean> {
    return ((await this.#collectedRequests.find(tenant, id))?.collected_into ?? null) !== null;
  }

  /** What PostgreSQL remembers of a job whose key Redis has lost or not yet seen. */
  async #remembered(tenant: string, id: string, queue: string): Promise<JobView | undefined> {
    const request = await this.#collectedRequests.find(tenant, id);
    if (request !== undefined) {
      const into = request.collected_into;
      const result = into === null ? undefined : await this.#ledger.read(into);
      return rememberedView(id, queue, {
        job: request.job,
        state: into === null ? 'accepted' : 'completed',
        result: result?.outcome === 'applied' ? result.result : null,
        collectedInto: into === id ? null : into,
        requestedAt: request.requested_at,
      });
    }
    const record = await this.#ledger.readFor(tenant, id);
    if (record.outcome === 'none') return undefined;
    const state = record.outcome === 'applied' ? 'completed' : 'cancelled';
    return rememberedView(id, queue, {
      job: record.job,
      state,
      ...(record.outcome === 'applied' && { result: record.result }),
    });
  }

  /** True when a worker has the job. A job that is in no queue yet needs no Redis. */
  async #remove(queue: MillraceQueue, id: string, kept: boolean): Promise<boolean> {
    try {
      return await this.#breaker.run(() => removeOrRunning(queue, id));
    } catch (error) {
      if (kept && isAppError(error, 'store-unavailable')) return false;
      throw error;
    }
  }

  async #keptHere(tenant: string, id: string): Promise<JobView | undefined> {
    const entry = await this.#keptJobs?.kept(tenant, id);
    if (entry === undefined) return undefined;
    // Its cancel may have come while Redis was away.
    const cancelled = (await this.#ledger.cancelledAmong([id])).has(id);
    const requestedAt = new Date(entry.requestedAt);
    return rememberedView(id, entry.queue, {
      job: entry.name,
      state: cancelled ? 'cancelled' : 'accepted',
      requestedAt,
    });
  }

  async #keptElsewhere(tenant: string, id: string): Promise<JobView | undefined> {
    const listed = await this.#keptJobs?.keptElsewhere(tenant, id);
    if (listed === undefined) return undefined;
    if (listed === 'unknown') throw unknown(id);
    const requestedAt = new Date(listed.requestedAt);
    return rememberedView(id, this.#queueOf(id).name, { job: listed.job, state: 'accepted', requestedAt });
  }

  #queueOf(id: string): MillraceQueue {
    const name = queueOfJobId(id);
    if (name === undefined || !this.#queues.has(name)) throw notFound(id);
    return this.#queues.get(name);
  }

  #look(queue: MillraceQueue): Promise<QueueView> {
    return this.#breaker.run(async () => {
      const [counts, paused, workers, oldestWaitingMs] = await Promise.all([
        queue.getJobCounts('wait', 'active', 'delayed', 'prioritized', 'completed', 'failed'),
        queue.isPaused(),
        queue.getWorkersCount(),
        oldestWaitMs(queue),
      ]);
      const { active = 0, delayed = 0, prioritized = 0, completed = 0, failed = 0 } = counts;
      const waiting = counts.wait ?? 0;
      return {
        name: queue.name,
        counts: { waiting, active, delayed, prioritized, completed, failed },
        oldestWaitingMs,
        workers,
        paused,
      };
    });
  }
}

async function readJob(queue: MillraceQueue, id: string): Promise<{ job: StoredJob; state: string } | undefined> {
  // The state is read before the job: a job that finishes in between is seen with its result, never finished without.
  const state = await queue.getJobState(id);
  const job = await queue.getJob(id);
  return job === undefined || state === 'unknown' ? undefined : { job, state };
}

/** Remove a job that a tombstone stands for. True when it cannot be removed because a worker has it. */
async function removeOrRunning(queue: MillraceQueue, id: string): Promise<boolean> {
  const job = await queue.getJob(id);
  if (job === undefined) return false;
  try {
    await job.remove();
    return false;
  } catch (error) {
    // BullMQ refuses to remove a locked job, with no code to tell it by.
    if (await job.isActive()) return true;
    throw error;
  }
}

async function oldestWaitMs(queue: MillraceQueue): Promise<number> {
  const [oldest] = await queue.getJobs(['wait', 'prioritized'], 0, 0, true);
  if (oldest === undefined) return 0;
  return Math.max(0, Date.now() - Math.max(oldest.timestamp + (oldest.opts.delay ?? 0), oldest.processedOn ?? 0));
}

function notFound(id: string): AppError {
  return new AppError('job-not-found', `There is no job "${id.slice(0, 100)}".`);
}

function unknown(id: string, cause?: unknown): AppError {
  return new AppError('state-unknown', `Job "${id.slice(0, 100)}" may wait in a journal.`, {
    cause,
    retryAfterSeconds: 2,
  });
}
