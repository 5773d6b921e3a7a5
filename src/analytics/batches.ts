/**
 * Counts of a process on their way into PostgreSQL.
 *
 * Promises: a batch is added whole or not at all, and once, however often it is handed in: the number of the process's
 * last batch is written in the same transaction, and whoever comes with that number again changes nothing. Rows are
 * taken in one order by everybody, so that two processes never wait for each other in a circle. While PostgreSQL is
 * away it rejects with `store-unavailable`.
 */

import { sql } from 'kysely';
import { asStoreError, type Database } from '../database/connection.ts';
import type { Day } from './day.ts';

/** How the attempts at one kind of job ended in one way on one day. */
export interface JobCount {
  readonly tenant: string;
  readonly day: Day;
  readonly job: string;
  readonly outcome: string;
  readonly count: number;
  readonly wait: readonly number[];
  readonly run: readonly number[];
}

/** How much of a kind there was on one day. */
export interface DayCount {
  readonly tenant: string;
  readonly day: Day;
  readonly kind: string;
  readonly amount: number;
}

export interface Batch {
  /** The process's own; goes up by one with each batch. */
  readonly number: number;
  readonly jobs: readonly JobCount[];
  readonly usage: readonly DayCount[];
}

export async function addBatch(database: Database, process: string, batch: Batch): Promise<void> {
  try {
    await database.transaction().execute(async (tx) => {
      const taken = await sql`
        INSERT INTO analytics_batches AS known (process, number) VALUES (${process}, ${batch.number})
        ON CONFLICT (process) DO UPDATE SET number = excluded.number, added_at = now()
        WHERE known.number < excluded.number
        RETURNING number`.execute(tx);
      if (taken.rows.length === 0) return;
      await sql`
        INSERT INTO analytics_jobs AS known (tenant, day, job, outcome, count, wait, run)
        SELECT tenant, day, job, outcome, count, wait, run
        FROM jsonb_to_recordset(${JSON.stringify(batch.jobs)}::jsonb)
          AS given (tenant text, day date, job text, outcome text, count bigint, wait bigint[], run bigint[])
        ORDER BY tenant, day, job, outcome
        ON CONFLICT (tenant, day, job, outcome) DO UPDATE SET count = known.count + excluded.count,
          wait = analytics_add(known.wait, excluded.wait), run = analytics_add(known.run, excluded.run)`.execute(tx);
      await sql`
        INSERT INTO analytics_usage AS known (tenant, day, kind, amount)
        SELECT tenant, day, kind, amount
        FROM jsonb_to_recordset(${JSON.stringify(batch.usage)}::jsonb)
          AS given (tenant text, day date, kind text, amount double precision)
        ORDER BY tenant, day, kind
        ON CONFLICT (tenant, day, kind, user_id) DO UPDATE SET amount = known.amount + excluded.amount`.execute(tx);
    });
  } catch (error) {
    throw asStoreError(error);
  }
}
