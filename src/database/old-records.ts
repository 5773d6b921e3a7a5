/**
 * What PostgreSQL remembers of finished work: the ledger, gathered requests that were done, and when their runs began.
 *
 * Promises: a record goes when it is older than the time to keep and nothing can ask for it any more: Redis has no job of
 * that id, no row of the outbox has it, and no open request. Open requests and jobs that were set aside are never removed;
 * an open request whose tombstone is that old goes first, or it would be woken once the tombstone is gone. Batches of at
 * most 500 rows, each a transaction of its own. While a store is away it rejects with `store-unavailable`.
 *
 * How long is long enough is reasoned in `docs/decisions/0021-cleanup.md`.
 */

import { type RawBuilder, sql } from 'kysely';
import { type Expirable, type Removal, type RemovalRun, RemovalTally, removalOf } from '../removal.ts';
import { asStoreError, type Database } from './connection.ts';

export interface OldRecordsOptions {
  readonly database: Database;
  readonly keepMs: number;
  /** Those of these jobs that Redis has, in whatever state. Rejects with `store-unavailable`. */
  readonly standing: (jobIds: readonly string[]) => Promise<ReadonlySet<string>>;
  readonly clock?: () => number;
}

/** What was removed, and what a person has to look at. */
export interface RecordRemoval extends Removal {
  /** Jobs of the outbox that were set aside longer ago than records are kept. They stay. */
  readonly setAside: number;
}

const PER_BATCH = 500;

/** A row that may go: where the walk goes on, its job, its size. */
interface OldRow {
  readonly at: string;
  readonly id: string;
  readonly bytes: number;
}

/** One table: how to find its old rows after a place, and how to remove some. */
interface OldTable {
  find(before: Date, after: OldRow): RawBuilder<OldRow>;
  remove(ids: readonly string[], before: Date): RawBuilder<unknown>;
  /** May a row stay needed while Redis has its job? */
  readonly ofJobs: boolean;
}

const START: OldRow = { at: '-infinity', id: '', bytes: 0 };

/** In the order in which they go: a request needs the result that its run has left in the ledger. */
const TABLES: readonly OldTable[] = [
  {
    ofJobs: true,
    find: (before, after) => sql`
      SELECT r.requested_at::text AS at, r.job_id AS id, pg_column_size(r.*) AS bytes FROM collected_requests r
      WHERE r.requested_at < ${before} AND (r.requested_at, r.job_id) > (${after.at}::timestamptz, ${after.id})
        AND (r.collected_into IS NOT NULL OR EXISTS (
          SELECT FROM ledger l WHERE l.job_id = r.job_id AND l.outcome = 'cancelled' AND l.recorded_at < ${before}))
      ORDER BY r.requested_at, r.job_id LIMIT ${PER_BATCH}`,
    remove: (ids) => sql`DELETE FROM collected_requests WHERE job_id = ANY (${ids})`,
  },
  {
    ofJobs: false,
    find: (before, after) => sql`
      SELECT c.started_at::text AS at, c.ctid::text AS id, pg_column_size(c.*) AS bytes FROM collect_runs c
      WHERE c.started_at < ${before} AND (c.started_at, c.ctid) > (${after.at}::timestamptz, ${after.id || '(0,0)'}::tid)
      ORDER BY c.started_at, c.ctid LIMIT ${PER_BATCH}`,
    // A run that begins meanwhile has written its row anew.
    remove: (ids, before) => sql`DELETE FROM collect_runs WHERE ctid = ANY (${ids}::tid[]) AND started_at < ${before}`,
  },
  {
    ofJobs: true,
    find: (before, after) => sql`
      SELECT l.recorded_at::text AS at, l.job_id AS id, pg_column_size(l.*) AS bytes FROM ledger l
      WHERE l.recorded_at < ${before} AND (l.recorded_at, l.job_id) > (${after.at}::timestamptz, ${after.id})
        AND NOT EXISTS (SELECT FROM outbox o WHERE o.id = l.job_id)
        AND NOT EXISTS (SELECT FROM collected_requests r WHERE r.job_id = l.job_id)
        AND NOT EXISTS (
          SELECT FROM collected_requests r WHERE r.collected_into = l.job_id AND r.requested_at < ${before})
      ORDER BY l.recorded_at, l.job_id LIMIT ${PER_BATCH}`,
    remove: (ids) => sql`DELETE FROM ledger WHERE job_id = ANY (${ids})`,
  },
];

export class OldRecords implements Expirable<RecordRemoval> {
  readonly #options: OldRecordsOptions;
  readonly #clock: () => number;

  constructor(options: OldRecordsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
  }

  async removeExpired(run: RemovalRun): Promise<RecordRemoval> {
    const tally = new RemovalTally(run);
    const before = new Date(this.#clock() - this.#options.keepMs);
    for (const table of TABLES) await this.#sweep(table, before, run, tally);
    return { ...tally.total, setAside: await this.#setAside(before) };
  }

  async #sweep(table: OldTable, before: Date, run: RemovalRun, tally: RemovalTally): Promise<void> {
    let last = START;
    while (!tally.spent) {
      const rows = await this.#ask(() => table.find(before, last));
      const spared = table.ofJobs ? await this.#options.standing(rows.map(({ id }) => id)) : new Set();
      const old = rows.filter(({ id }) => !spared.has(id));
      const ids = old.map(({ id }) => id);
      if (!run.dryRun && ids.length > 0) await this.#ask(() => table.remove(ids, before));
      await tally.add(removalOf(old.map(({ bytes }) => bytes)));
      const next = rows.at(-1);
      if (next === undefined || rows.length < PER_BATCH) return;
      last = next;
    }
  }

  async #setAside(before: Date): Promise<number> {
    const [row] = await this.#ask(
      () => sql<{ count: number }>`SELECT count(*)::int AS count FROM outbox WHERE set_aside_at < ${before}`,
    );
    return row?.count ?? 0;
  }

  async #ask<T>(query: () => RawBuilder<T>): Promise<T[]> {
    try {
      return (await query().execute(this.#options.database)).rows;
    } catch (error) {
      throw asStoreError(error);
    }
  }
}
