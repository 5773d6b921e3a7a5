/**
 * How long completed jobs and dead letters stay in Redis: by age, and beyond that by how many of a queue there are and how
 * many bytes they take. BullMQ looks at ages only when another job of that state ends; this looks by itself.
 *
 * Promises: only jobs that stand among the finished ones at the moment of their removal go, so a dead job that is
 * retried meanwhile stays; a job whose id answers repeats of a request (`once`, a key, a clock line) keeps it for a day
 * after its end, whatever the limits say. Of too many jobs the oldest completed ones go first, dead letters last. Queues
 * that no definition has any more are looked at too. No call holds Redis for longer than about 2 ms. While Redis is away
 * it rejects with `store-unavailable`.
 */

import type { Logger } from '../logger.ts';
import type { Breaker } from '../redis/breaker.ts';
import type { ScriptedRedis } from '../redis/connections.ts';
import { literal, scanKeys } from '../redis/key-scan.ts';
import { type Expirable, type Removal, type RemovalRun, RemovalTally, removalOf } from '../removal.ts';
import { JOB_PARTS } from './job-parts.ts';

/** What is kept of each queue. */
export interface JobRetention {
  readonly completedMs: number;
  readonly deadMs: number;
  /** Finished jobs. */
  readonly mostJobs: number;
  /** Memory that finished jobs may take. */
  readonly mostBytes: number;
}

export interface FinishedJobsOptions {
  readonly redis: ScriptedRedis;
  readonly breaker: Pick<Breaker, 'run'>;
  /** BullMQ's key prefix. */
  readonly prefix: string;
  readonly keep: JobRetention;
  readonly logger: Logger;
  readonly clock?: () => number;
}

const DAY_MS = 86_400_000;
/** Milliseconds for which a job that has just ended stays whatever the limits say: its journal looks after it first. */
const FRESH_MS = 300_000;
/** Jobs in one call. */
const PAGE = 50;
/** What comes after the id in the keys of one job. */
const OWN_KEYS = ['', ...JOB_PARTS.map((part) => `:${part}`)];

/** An id that belongs to one request and answers no repeats: a time and random bits. */
const OF_ONE_REQUEST = /_[0-9a-f]{32}$/;

/** A finished job: its id and when it ended. */
type Finished = readonly [id: string, endedMs: number];
/** What is too much of a queue. */
interface Surplus {
  jobs: number;
  bytes: number;
}

export class FinishedJobs implements Expirable {
  readonly #options: FinishedJobsOptions;
  readonly #clock: () => number;

  constructor(options: FinishedJobsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
  }

  async removeExpired(run: RemovalRun): Promise<Removal> {
    const tally = new RemovalTally(run);
    for (const queue of await this.#queues(run.signal)) {
      const sets = await this.#setsOf(queue);
      const surplus = await this.#surplusOf(queue, sets, run);
      for (const set of sets) await this.#sweep(queue, set, surplus, run, tally);
    }
    return tally.total;
  }

  /** Every queue that has finished jobs. */
  async #queues(signal: AbortSignal): Promise<string[]> {
    const { redis, breaker, prefix } = this.#options;
    const found = new Set<string>();
    for await (const keys of scanKeys({ redis, breaker }, `${literal(prefix)}:*:meta`, signal)) {
      for (const key of keys) found.add(key.slice(prefix.length + 1, -':meta'.length));
    }
    return [...found].filter((name) => !name.includes(':')).sort();
  }

  /** The sets of finished jobs, and until when what is in them is too old. */
  async #setsOf(queue: string): Promise<FinishedSet[]> {
    const { redis, breaker, prefix, keep, logger } = this.#options;
    const nowMs = this.#clock();
    const sets: FinishedSet[] = [];
    for (const [state, keepMs] of [
      ['completed', keep.completedMs],
      ['failed', keep.deadMs],
    ] as const) {
      const key = `${prefix}:${queue}:${state}`;
      const type = await breaker.run(() => redis.type(key));
      if (type === 'zset') sets.push({ key, oldMs: nowMs - keepMs });
      else if (type !== 'none')
        logger.warn({ key, type }, 'a key of a queue is not what BullMQ made it; left as it is');
    }
    return sets;
  }

  /** How far the queue is above its limits, apart from what is too old anyway. */
  async #surplusOf(queue: string, sets: readonly FinishedSet[], { signal }: RemovalRun): Promise<Surplus> {
    const { redis, breaker, keep } = this.#options;
    const surplus = { jobs: -keep.mostJobs, bytes: -keep.mostBytes };
    for (const { key, oldMs } of sets) {
      const [all, old] = await breaker.run(() => Promise.all([redis.zcard(key), redis.zcount(key, '-inf', oldMs)]));
      surplus.jobs += all - old;
      for (let rank = old; rank < all; rank += PAGE) {
        const page = await this.#page(key, rank);
        surplus.bytes += sum(await this.#handle(queue, key, page.map(idOf), false));
        signal.throwIfAborted();
      }
    }
    return surplus;
  }

  /** Walk a set from its oldest job on. */
  async #sweep(queue: string, { key, oldMs }: FinishedSet, surplus: Surplus, run: RemovalRun, tally: RemovalTally) {
    const { dryRun } = run;
    const nowMs = this.#clock();
    for (let rank = 0; !tally.spent; ) {
      const page = await this.#page(key, rank);
      const old = page.filter(([, endedMs]) => endedMs <= oldMs);
      const spare = page.filter(([id, endedMs]) => endedMs > oldMs && maySpare(id, nowMs - endedMs));
      const chosen = [...old.map(idOf), ...(await this.#tooMany(queue, key, spare.map(idOf), surplus))];
      const sizes = chosen.length === 0 ? [] : await this.#handle(queue, key, chosen, !dryRun);
      await tally.add(removalOf(sizes.filter((bytes) => bytes >= 0)));
      rank += dryRun ? page.length : page.length - chosen.length;
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return;
      if (last[1] > oldMs && (isWithin(surplus) || nowMs - last[1] < FRESH_MS)) return;
    }
  }

  /** Those of these jobs that have to go until the queue is within its limits. */
  async #tooMany(queue: string, key: string, ids: readonly string[], surplus: Surplus): Promise<string[]> {
    if (ids.length === 0 || isWithin(surplus)) return [];
    const sizes = await this.#handle(queue, key, ids, false);
    const chosen: string[] = [];
    for (const [place, id] of ids.entries()) {
      if (isWithin(surplus)) break;
      chosen.push(id);
      surplus.jobs -= 1;
      surplus.bytes -= Math.max(0, sizes[place] ?? 0);
    }
    return chosen;
  }

  async #page(key: string, rank: number): Promise<Finished[]> {
    const { redis, breaker } = this.#options;
    const flat = await breaker.run(() => redis.zrange(key, String(rank), String(rank + PAGE - 1), 'WITHSCORES'));
    return Array.from({ length: flat.length / 2 }, (_, place) => [flat[2 * place] ?? '', Number(flat[2 * place + 1])]);
  }

  /** The bytes of each of these jobs, -1 for one that is not finished any more; with `remove` they go. */
  #handle(queue: string, set: string, ids: readonly string[], remove: boolean): Promise<number[]> {
    const { redis, breaker, prefix } = this.#options;
    const keys = ids.flatMap((id) => OWN_KEYS.map((own) => `${prefix}:${queue}:${id}${own}`));
    const values = [OWN_KEYS.length, remove ? 1 : 0, ...ids];
    return breaker.run(() => redis.removeFinished(keys.length + 1, set, ...keys, ...values));
  }
}

/** The sorted set of one state. */
interface FinishedSet {
  readonly key: string;
  /** What ended until then is too old. */
  readonly oldMs: number;
}

/** May a job that is not too old go when there are too many? */
function maySpare(id: string, ageMs: number): boolean {
  return ageMs >= (OF_ONE_REQUEST.test(id) ? FRESH_MS : DAY_MS);
}

function isWithin({ jobs, bytes }: Surplus): boolean {
  return jobs <= 0 && bytes <= 0;
}

function idOf([id]: Finished): string {
  return id;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + Math.max(0, each), 0);
}
