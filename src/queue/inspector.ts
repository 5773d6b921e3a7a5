/**
 * Looking at jobs and queues, and the few things a person may do to them: cancel, retry.
 *
 * Promises: another tenant's job does not exist; a cancel first writes a tombstone and then removes the job, so that no
 * replay can raise it; every call is bounded. While Redis is away a job in this process's journal can be seen and cancelled, of any
 * other job `state-unknown` is said, and everything else rejects with `store-unavailable`.
 */

import type { CollectedRequests } from '../collected-requests.ts';
import type { Ledger } from '../database/ledger.ts';
import { AppError } from '../errors.ts';
import type { JournalEntry } from '../journal/entry.ts';
import type { Breaker } from '../redis/breaker.ts';
import { requestedAtOf } from './envelope.ts';
import { JobReader, type JobReaderOptions, type KeptJobs } from './job-reader.ts';
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

export type InspectorOptions = JobReaderOptions;

export class Inspector {
  readonly #reader: JobReader;
  readonly #queues: Queues;
  readonly #ledger: Ledger;
  readonly #collectedRequests: CollectedRequests;
  readonly #breaker: Breaker;
  readonly #keptJobs: KeptJobs | undefined;

  constructor(options: InspectorOptions) {
    const { queues, ledger, collectedRequests, breaker, keptJobs } = options;
    this.#reader = new JobReader(options);
    this.#keptJobs = keptJobs;
    this.#queues = queues;
    this.#ledger = ledger;
    this.#collectedRequests = collectedRequests;
    this.#breaker = breaker;
  }

  /** One job. Throws `job-not-found`, also for another tenant's, and `state-unknown` while nobody can know. */
  job(tenant: string, id: string): Promise<JobView> {
    return this.#reader.read(tenant, id);
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
    if (view.state === 'accepted') this.#refuseDoubtful(id);
    const before = await this.#ledger.cancel({ jobId: id, tenant, job: view.job });
    if (before.outcome === 'applied') throw new AppError('job-finished', 'The effect of the job was applied already.');
    const queue = this.#reader.queueOf(id);
    // Only a tombstone of our own is taken back: an older one stands for a cancel that was answered.
    const undo = async () => {
      this.#keptJobs?.restore(id);
      if (before.outcome === 'none') await this.#ledger.uncancel(id);
    };
    const leftOut = view.state === 'accepted' && (await this.#keptJobs?.withdraw(id)) === true;
    if (!leftOut && (await this.#breaker.run(() => removeOrRunning(queue, id)))) {
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
      const job = await this.#reader.queueOf(id).getJob(id);
      if (job !== undefined) await this.#keptJobs?.keep(entryOfJob(job));
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

  /** Throws `state-unknown` when an accepted job may be in its queue and only Redis, which is away, could tell. */
  #refuseDoubtful(id: string): void {
    if (this.#breaker.state === 'closed' || this.#keptJobs?.isDoubtful(id) !== true) return;
    throw new AppError('state-unknown', 'The job may have reached its queue just before Redis went away.', {
      retryAfterSeconds: 2,
    });
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

/** A job of Redis as the journal keeps it. */
function entryOfJob(job: StoredJob): JournalEntry {
  const { id = '', queueName, name, data, opts } = job;
  return {
    id,
    queue: queueName,
    name,
    tenant: data.tenant,
    data: JSON.stringify(data),
    requestedAt: requestedAtOf(job),
    runAt: data.runAt ?? 0,
    priority: opts.priority ?? 0,
    attempts: opts.attempts ?? 1,
    keyed: data.bodyHash !== undefined,
  };
}
