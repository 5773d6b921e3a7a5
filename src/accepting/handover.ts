/**
 * The handover: adds jobs to their queue in BullMQ, many in one script call, and asks what has become of them.
 *
 * Promises: jobs are added in the order given and as `Queue.add` would; an id that is there already is left as it is, so
 * that handing over twice is harmless; a call is all or nothing, unless a key of the queue is not what BullMQ made it.
 * The script belongs to one BullMQ version. With another one, `Queue.addBulk` does the work, after one warning: slower,
 * not all or nothing, with the data parsed and written anew, and two processes that add one id with one timestamp at
 * the same moment are both told that it is new.
 *
 * While Redis is away it rejects with what ioredis says: the caller has the breaker, and a rejected call may still have
 * been carried out.
 */

import { AppError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { installedBullmqVersion, SCRIPTED_VERSION } from '../queue/bullmq-version.ts';
import type { Envelope } from '../queue/envelope.ts';
import type { MillraceQueue, Queues } from '../queue/queues.ts';
import type { Redis } from '../redis/connections.ts';
import { ADD_JOBS, addJobsArguments, type HandoverJob } from './add-jobs.ts';

export type { HandoverJob };

/** What has become of a job: `finished` for good, `open` while it waits or runs, `missing` when Redis has no such job. */
export type Whereabouts = 'finished' | 'open' | 'missing';

export interface HandoverOptions {
  readonly queues: Queues;
  readonly redis: Redis;
  /** BullMQ's key prefix. */
  readonly prefix: string;
  readonly logger: Logger;
  /** The version of BullMQ that is installed; read from its package unless given. */
  readonly bullmqVersion?: string;
}

/** Jobs in one call of `add`: 200 hold Redis for about 2 ms. */
export const MOST_PER_CALL = 200;
/** Ids in one call of `look`: 500 hold Redis for about half a millisecond. */
export const MOST_LOOKED_AT = 500;

/** The largest priority that BullMQ orders by. */
const LOWEST_RANK = 2 ** 21 - 1;
/** Milliseconds and attempts stay below: cjson writes up to 14 digits of a number. */
const MOST_WHOLE = 1e14 - 1;

/** KEYS: one per job. Returns a word for each. BullMQ takes `finishedOn` away when a finished job is retried. */
const LOOK_AT_JOBS = `
local answer = {}
for place, key in ipairs(KEYS) do
  if redis.call('HEXISTS', key, 'finishedOn') == 1 then
    answer[place] = 'finished'
  else
    answer[place] = redis.call('EXISTS', key) == 1 and 'open' or 'missing'
  end
end
return answer
`;

interface HandoverScripts {
  addJobs(...keysAndValues: (string | number)[]): Promise<number[]>;
  lookAtJobs(...keys: (string | number)[]): Promise<Whereabouts[]>;
}

export class Handover {
  readonly #queues: Queues;
  readonly #redis: Redis & HandoverScripts;
  readonly #prefix: string;
  readonly #scripted: boolean;

  constructor({ queues, redis, prefix, logger, bullmqVersion = installedBullmqVersion() }: HandoverOptions) {
    redis.defineCommand('addJobs', { lua: ADD_JOBS });
    redis.defineCommand('lookAtJobs', { lua: LOOK_AT_JOBS });
    this.#queues = queues;
    this.#redis = redis as Redis & HandoverScripts;
    this.#prefix = prefix;
    this.#scripted = bullmqVersion === SCRIPTED_VERSION;
    if (this.#scripted) return;
    logger.warn(
      { bullmq: bullmqVersion, madeFor: SCRIPTED_VERSION },
      'The batch scripts are made for another BullMQ version; jobs are added and completed by its own, which is slower',
    );
  }

  /**
   * Add at most `MOST_PER_CALL` jobs of one queue, in order. True: new; false: the id was there already. Throws
   * `unknown-queue`, and `internal` for jobs that BullMQ would refuse, before anything is written; rejects with what
   * Redis or ioredis says.
   */
  async add(queue: string, jobs: readonly HandoverJob[]): Promise<boolean[]> {
    const target = this.#queues.get(queue);
    if (jobs.length > MOST_PER_CALL) throw refused(`${jobs.length} jobs are more than ${MOST_PER_CALL}.`);
    for (const job of jobs) {
      const problem = problemOf(job, target);
      if (problem !== undefined) throw refused(`The job ${JSON.stringify(job.id.slice(0, 64))} ${problem}.`);
    }
    if (jobs.length === 0) return [];
    if (!this.#scripted) return addInBulk(target, jobs);
    const known = await this.#redis.addJobs(...addJobsArguments(this.#prefix, queue, jobs));
    const added = jobs.map(() => true);
    for (const place of known) added[place - 1] = false;
    return added;
  }

  /**
   * Which of at most `MOST_LOOKED_AT` jobs have reached a final state, wait or run, or are gone. Of a queue that no
   * definition has any more nothing is decided: its jobs are `open`. Throws `internal` for more; rejects with what Redis
   * or ioredis says.
   */
  async look(queue: string, ids: readonly string[]): Promise<Whereabouts[]> {
    if (!this.#queues.has(queue)) return ids.map(() => 'open');
    const target = this.#queues.get(queue);
    if (ids.length > MOST_LOOKED_AT) throw refused(`${ids.length} ids are more than ${MOST_LOOKED_AT}.`);
    if (ids.length === 0) return [];
    if (!this.#scripted) return (await find(target, ids)).map(whereaboutsOf);
    const keys = ids.map((id) => `${this.#prefix}:${queue}:${id}`);
    return this.#redis.lookAtJobs(keys.length, ...keys);
  }
}

/** As `ADD_JOBS`, by BullMQ's own means. */
async function addInBulk(queue: MillraceQueue, jobs: readonly HandoverJob[]): Promise<boolean[]> {
  const ids = jobs.map(({ id }) => id);
  const before = await find(queue, ids);
  await queue.addBulk(
    jobs.map(({ id, name, data, timestamp, delayMs, priority, attempts }) => ({
      name,
      data: JSON.parse(data) as Envelope,
      opts: {
        jobId: id,
        attempts,
        timestamp,
        backoff: { type: 'custom' },
        ...(delayMs > 0 && { delay: delayMs }),
        ...(priority > 0 && { priority }),
      },
    })),
  );
  // Somebody else may have been first since: then the timestamp is theirs. One that is gone by now has run.
  const after = await find(queue, ids);
  return jobs.map(
    ({ id, timestamp }, place) =>
      before[place] === undefined && ids.indexOf(id) === place && (after[place]?.timestamp ?? timestamp) === timestamp,
  );
}

type Found = Awaited<ReturnType<MillraceQueue['getJob']>>;

function find(queue: MillraceQueue, ids: readonly string[]): Promise<Found[]> {
  return Promise.all(ids.map((id) => queue.getJob(id)));
}

function whereaboutsOf(job: Found): Whereabouts {
  if (job === undefined) return 'missing';
  return job.finishedOn === undefined ? 'open' : 'finished';
}

/** What BullMQ refuses, and what it takes and then cannot keep; undefined: nothing. */
function problemOf({ id, timestamp, delayMs, priority, attempts }: HandoverJob, queue: MillraceQueue) {
  if (id.includes(':') || `${Number.parseInt(id, 10)}` === id) return 'is not an id that BullMQ takes';
  if (Object.hasOwn(queue.keys, id)) return 'has the name of a key of its queue';
  if (!isWhole(timestamp, MOST_WHOLE) || timestamp === 0) return `has the timestamp ${timestamp}`;
  if (!isWhole(delayMs, MOST_WHOLE)) return `has a delay of ${delayMs} ms`;
  if (!isWhole(attempts, MOST_WHOLE)) return `has ${attempts} attempts`;
  if (!isWhole(priority, LOWEST_RANK)) return `has the priority ${priority}`;
  return undefined;
}

function isWhole(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= most;
}

function refused(detail: string): AppError {
  return new AppError('internal', detail);
}
