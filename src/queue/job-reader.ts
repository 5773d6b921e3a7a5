/**
 * Where a job is: in its queue, in a journal, in the outbox, or remembered by PostgreSQL.
 *
 * Promises: another tenant's job does not exist; a job that was accepted is never called unknown while it may wait in some
 * journal: `state-unknown` is said instead. While Redis is away a job in this process's journal can be seen.
 */

import type { CollectedRequests } from '../collected-requests.ts';
import type { Ledger } from '../database/ledger.ts';
import type { OutboxEntry } from '../database/outbox-rows.ts';
import { AppError, isAppError } from '../errors.ts';
import type { JournalEntry } from '../journal/entry.ts';
import type { Breaker } from '../redis/breaker.ts';
import { queueOfJobId } from './envelope.ts';
import { type JobView, rememberedView, type StoredJob, viewOf } from './job-view.ts';
import type { MillraceQueue, Queues } from './queues.ts';

/** A job that waits in another process's journal. */
export interface ListedJob {
  readonly job: string;
  /** Milliseconds since 1970. */
  readonly requestedAt: number;
}

/** Jobs that are in a journal and not in Redis yet: in this process's, and in those of others. */
export interface KeptJobs {
  kept(tenant: string, id: string): Promise<JournalEntry | undefined>;
  /** `unknown`: there may be such a job. Rejects while Redis is away. */
  keptElsewhere(tenant: string, id: string): Promise<ListedJob | 'unknown' | undefined>;
  /** May a job that is kept here be in its queue all the same? */
  isDoubtful(id: string): boolean;
  /** Do not hand over this job. True once it is certain to reach no queue; false when it may be there. */
  withdraw(id: string): Promise<boolean>;
  /** Hand over a job that was withdrawn all the same. */
  restore(id: string): void;
  /** Keep a job that is in Redis already until its end. Rejects when the journal takes nothing. */
  keep(entry: JournalEntry): Promise<void>;
}

export interface JobReaderOptions {
  readonly queues: Queues;
  readonly ledger: Ledger;
  readonly collectedRequests: CollectedRequests;
  /** Knows committed rows that are in no queue yet. */
  readonly outbox: { find(tenant: string, id: string): Promise<OutboxEntry | undefined> };
  readonly breaker: Breaker;
  /** Knows jobs that are accepted and not in Redis yet; without it there are none. */
  readonly keptJobs?: KeptJobs | undefined;
}

export class JobReader {
  readonly #options: JobReaderOptions;

  constructor(options: JobReaderOptions) {
    this.#options = options;
  }

  /** One job. Throws `job-not-found`, also for another tenant's, and `state-unknown` while nobody can know. */
  async read(tenant: string, id: string): Promise<JobView> {
    const queue = this.queueOf(id);
    let found: JobView | undefined;
    try {
      found = await this.#inQueue(tenant, id);
    } catch (error) {
      if (!isAppError(error, 'store-unavailable')) throw error;
      return (await this.#keptHere(tenant, id)) ?? Promise.reject(unknown(id, error));
    }
    return (
      found ??
      (await this.#keptHere(tenant, id)) ??
      (await this.#remembered(tenant, id, queue.name)) ??
      (await this.#inOutbox(tenant, id, queue.name)) ??
      (await this.#keptElsewhere(tenant, id, queue.name)) ??
      // It may have come from the outbox or another journal between the first look and the others.
      (await this.#inQueue(tenant, id)) ??
      Promise.reject(notFound(id))
    );
  }

  async #inQueue(tenant: string, id: string): Promise<JobView | undefined> {
    const found = await this.#options.breaker.run(() => readJob(this.queueOf(id), id));
    if (found === undefined) return undefined;
    if (found.job.data.tenant !== tenant) throw notFound(id);
    return viewOf(found.job, found.state);
  }

  /** The queue that a job's id names. Throws `job-not-found`. */
  queueOf(id: string): MillraceQueue {
    const { queues } = this.#options;
    const name = queueOfJobId(id);
    if (name === undefined || !queues.has(name)) throw notFound(id);
    return queues.get(name);
  }

  /** What PostgreSQL remembers of a job whose key Redis has lost or not yet seen. */
  async #remembered(tenant: string, id: string, queue: string): Promise<JobView | undefined> {
    const { collectedRequests, ledger } = this.#options;
    const request = await collectedRequests.find(tenant, id);
    if (request !== undefined) {
      const into = request.collected_into;
      const result = into === null ? undefined : await ledger.read(into);
      return rememberedView(id, queue, {
        job: request.job,
        state: into === null ? 'accepted' : 'completed',
        result: result?.outcome === 'applied' ? result.result : null,
        collectedInto: into === id ? null : into,
        requestedAt: request.requested_at,
      });
    }
    const record = await ledger.readFor(tenant, id);
    if (record.outcome === 'none') return undefined;
    const state = record.outcome === 'applied' ? 'completed' : 'cancelled';
    return rememberedView(id, queue, {
      job: record.job,
      state,
      ...(record.outcome === 'applied' && { result: record.result }),
    });
  }

  /** A row that has committed and was not relayed yet, or never will be. */
  async #inOutbox(tenant: string, id: string, queue: string): Promise<JobView | undefined> {
    const row = await this.#options.outbox.find(tenant, id);
    if (row === undefined) return undefined;
    const { job, requestedAt, setAside } = row;
    if (setAside === null) return rememberedView(id, queue, { job, state: 'accepted', requestedAt });
    const error = { code: setAside.code, message: setAside.detail };
    return { ...rememberedView(id, queue, { job, state: 'dead', requestedAt }), error };
  }

  async #keptHere(tenant: string, id: string): Promise<JobView | undefined> {
    const entry = await this.#options.keptJobs?.kept(tenant, id);
    if (entry === undefined) return undefined;
    const requestedAt = new Date(entry.requestedAt);
    const state = (await this.#isCancelled(id)) ? 'cancelled' : 'accepted';
    return rememberedView(id, entry.queue, { job: entry.name, state, requestedAt });
  }

  /** Its cancel may have come while Redis was away. While PostgreSQL is away too there can have been none. */
  async #isCancelled(id: string): Promise<boolean> {
    try {
      return (await this.#options.ledger.cancelledAmong([id])).has(id);
    } catch (error) {
      if (isAppError(error, 'store-unavailable')) return false;
      throw error;
    }
  }

  async #keptElsewhere(tenant: string, id: string, queue: string): Promise<JobView | undefined> {
    const listed = await this.#options.keptJobs?.keptElsewhere(tenant, id);
    if (listed === undefined) return undefined;
    if (listed === 'unknown') throw unknown(id);
    return rememberedView(id, queue, { job: listed.job, state: 'accepted', requestedAt: new Date(listed.requestedAt) });
  }
}

async function readJob(queue: MillraceQueue, id: string): Promise<{ job: StoredJob; state: string } | undefined> {
  // The state is read before the job: a job that finishes in between is seen with its result, never finished without.
  const state = await queue.getJobState(id);
  const job = await queue.getJob(id);
  return job === undefined || state === 'unknown' ? undefined : { job, state };
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
