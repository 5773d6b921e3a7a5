/**
 * What happened in this process, counted in memory and added to PostgreSQL every few seconds.
 *
 * Promises: counting waits for nothing and never fails; what was counted is added exactly once (`batches.ts`), at the
 * latest when the process stops. A process that is killed loses what it counted since the last time, at most one
 * interval. While PostgreSQL is away the counts stay here, in at most `MOST_ROWS` rows; what would be a further row is
 * dropped, and the log says how many.
 */

import { randomUUID } from 'node:crypto';
import type { Database } from '../database/connection.ts';
import { isAppError, messageOf } from '../errors.ts';
import { type Deadline, type Lifecycle, repeat, within } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { addBatch, type Batch, type DayCount, type JobCount } from './batches.ts';
import { rememberingDayOf } from './day.ts';
import { addTo } from './histogram.ts';
import { WHOLE_SERVICE } from './source.ts';

/** How an attempt went. Times in milliseconds. */
export interface TalliedAttempt {
  readonly tenant: string;
  readonly job: string;
  readonly outcome: string;
  /** Was it the first attempt at the job? Only its wait counts. */
  readonly first: boolean;
  readonly waitMs: number;
  readonly runMs: number;
  readonly endedAtMs: number;
}

export interface TallyOptions {
  readonly database: Database;
  readonly logger: Logger;
  /** Milliseconds between two additions. */
  readonly everyMs?: number;
  readonly clock?: () => number;
}

const EVERY_MS = 5000;
/** Rows that wait in memory; each takes one to three kilobytes. */
export const MOST_ROWS = 10_000;
/** Rows of one transaction. */
const BATCH_ROWS = 1000;

const TENANT = /^[a-z0-9-]{1,64}$/;
const JOB = /^[a-z0-9.-]{1,127}$/;
/** What a cache read's outcome is counted as. */
const READS: Readonly<Record<string, string>> = { hit: 'cache.hits', miss: 'cache.misses', bypass: 'cache.bypasses' };

type Growing<T> = { -readonly [Name in keyof T]: T[Name] extends readonly number[] ? number[] : T[Name] };

export class Tally implements Lifecycle {
  /** Names this process among those that add. */
  readonly #process = randomUUID();
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #everyMs: number;
  readonly #clock: () => number;
  readonly #dayOf = rememberingDayOf();
  readonly #ended = new AbortController();
  readonly #jobs = new Map<string, Growing<JobCount>>();
  readonly #usage = new Map<string, Growing<DayCount>>();
  #dropped = 0;
  #batch: Batch = { number: 0, jobs: [], usage: [] };
  #flushing: Promise<void> | undefined;
  #running: Promise<void> | undefined;

  constructor({ database, logger, everyMs = EVERY_MS, clock = Date.now }: TallyOptions) {
    this.#database = database;
    this.#logger = logger;
    this.#everyMs = everyMs;
    this.#clock = clock;
  }

  /** An attempt has ended. May be handed on by itself. */
  readonly attempt = (attempt: TalliedAttempt): void => {
    const { waitMs, runMs, outcome, first } = attempt;
    // Both slept in a queue: a text that no table could hold must not stop the rest.
    const tenant = fitting(attempt.tenant, TENANT) ?? WHOLE_SERVICE;
    const job = fitting(attempt.job, JOB) ?? 'unknown';
    const day = this.#dayOf(attempt.endedAtMs);
    const key = `${tenant} ${day} ${job} ${outcome}`;
    const row = this.#jobs.get(key) ?? this.#newRow(this.#jobs, key, newJobCount(tenant, day, job, outcome));
    if (row === undefined) return;
    row.count += 1;
    if (first) addTo(row.wait, waitMs);
    addTo(row.run, runMs);
  };

  /** A read through the cache was answered. May be handed on by itself. */
  readonly cacheRead = (outcome: string): void => {
    const kind = READS[outcome];
    if (kind === undefined) return;
    const day = this.#dayOf(this.#clock());
    const key = `${day} ${kind}`;
    const row = this.#usage.get(key) ?? this.#newRow(this.#usage, key, { tenant: WHOLE_SERVICE, day, kind, amount: 0 });
    if (row !== undefined) row.amount += 1;
  };

  async start(): Promise<void> {
    this.#running ??= repeat(
      this.#everyMs,
      this.#ended.signal,
      () => this.flush(),
      (error) => this.#logger.debug({ err: { message: messageOf(error) } }, 'counts wait for PostgreSQL'),
    );
  }

  /** Add what is left, if PostgreSQL lets us before the deadline. */
  async stop(deadline: Deadline): Promise<void> {
    this.#ended.abort();
    await within(deadline.leftMs, this.#lastFlush(), () => new Error('the last counts were not added in time'));
  }

  async #lastFlush(): Promise<void> {
    await this.#running;
    await this.flush();
  }

  /** Add everything counted so far. Rejects when PostgreSQL is away; the next call makes up for it. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flushAll().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #flushAll(): Promise<void> {
    // A batch whose answer was lost goes first, unchanged: its number tells whether it was added.
    await this.#add();
    while (this.#jobs.size + this.#usage.size > 0) {
      const [jobs, usage] = [takeFrom(this.#jobs), takeFrom(this.#usage)];
      this.#batch = { number: this.#batch.number + 1, jobs, usage };
      await this.#add();
    }
    if (this.#dropped > 0) this.#logger.warn({ dropped: this.#dropped }, 'attempts were not counted: too many rows');
    this.#dropped = 0;
  }

  async #add(): Promise<void> {
    const { number, jobs, usage } = this.#batch;
    if (jobs.length + usage.length === 0) return;
    try {
      await addBatch(this.#database, this.#process, this.#batch);
    } catch (error) {
      if (isAppError(error, 'store-unavailable')) throw error;
      // It would be refused for ever, and everything behind it would wait.
      this.#logger.error({ err: error, rows: jobs.length + usage.length }, 'PostgreSQL refused counts; they are lost');
    }
    this.#batch = { number, jobs: [], usage: [] };
  }

  #newRow<Row>(rows: Map<string, Row>, key: string, row: Row): Row | undefined {
    if (this.#jobs.size + this.#usage.size >= MOST_ROWS) {
      this.#dropped += 1;
      return undefined;
    }
    rows.set(key, row);
    return row;
  }
}

function fitting(text: unknown, pattern: RegExp): string | undefined {
  return typeof text === 'string' && pattern.test(text) ? text : undefined;
}

function newJobCount(tenant: string, day: string, job: string, outcome: string): Growing<JobCount> {
  return { tenant, day, job, outcome, count: 0, wait: [], run: [] };
}

function takeFrom<Row>(rows: Map<string, Row>): Row[] {
  const taken = [...rows].slice(0, BATCH_ROWS);
  for (const [key] of taken) rows.delete(key);
  return taken.map(([, row]) => row);
}
