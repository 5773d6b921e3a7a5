/**
 * The ledger of applied effects: what makes an effect happen exactly once.
 *
 * Promises: one transaction inserts the row of a job, runs the effect and stores the result in that row. If the row is
 * there already the effect does not run and the stored result is returned. A cancelled job's row is a tombstone: no
 * later replay can raise the job. While PostgreSQL is away every call rejects with `store-unavailable`.
 */

import { AppError } from '../errors.ts';
import { asStoreError, type Database } from './connection.ts';
import type { Transaction } from './schema.ts';

/** What identifies a job to the ledger. */
export interface LedgerEntry {
  readonly jobId: string;
  readonly tenant: string;
  readonly job: string;
}

/** What the ledger knows of a job. */
export type LedgerRecord =
  | { readonly outcome: 'none' }
  | { readonly outcome: 'cancelled' }
  | { readonly outcome: 'applied'; readonly result: unknown };

export class Ledger {
  readonly #database: Database;

  constructor({ database }: { database: Database }) {
    this.#database = database;
  }

  /** What is recorded of this job. */
  async read(jobId: string): Promise<LedgerRecord> {
    try {
      const row = await this.#database
        .selectFrom('ledger')
        .select(['outcome', 'result'])
        .where('job_id', '=', jobId)
        .executeTakeFirst();
      return toRecord(row);
    } catch (error) {
      throw asStoreError(error);
    }
  }

  /** As `read`, for a caller: only this tenant's rows, with the job's name. */
  async readFor(tenant: string, jobId: string): Promise<LedgerRecord & { readonly job: string }> {
    try {
      const row = await this.#database
        .selectFrom('ledger')
        .select(['outcome', 'result', 'job'])
        .where('job_id', '=', jobId)
        .where('tenant', '=', tenant)
        .executeTakeFirst();
      return { ...toRecord(row), job: row?.job ?? '' };
    } catch (error) {
      throw asStoreError(error);
    }
  }

  /** Those of these jobs that a tombstone stands for. */
  async cancelledAmong(jobIds: readonly string[]): Promise<ReadonlySet<string>> {
    if (jobIds.length === 0) return new Set();
    try {
      const rows = await this.#database
        .selectFrom('ledger')
        .select('job_id')
        .where('job_id', 'in', jobIds)
        .where('outcome', '=', 'cancelled')
        .execute();
      return new Set(rows.map((row) => row.job_id));
    } catch (error) {
      throw asStoreError(error);
    }
  }

  /**
   * Apply an effect once. `effect` runs inside the transaction; what it returns must be JSON and is what every later
   * call for this job returns. Throws `job-cancelled` when a tombstone stands.
   */
  async apply<T>({ jobId, tenant, job }: LedgerEntry, effect: (tx: Transaction) => Promise<T>): Promise<T> {
    try {
      return await this.#database.transaction().execute(async (tx) => {
        const inserted = await tx
          .insertInto('ledger')
          .values({ job_id: jobId, tenant, job, outcome: 'applied' })
          .onConflict((conflict) => conflict.column('job_id').doNothing())
          .returning('job_id')
          .executeTakeFirst();
        if (inserted === undefined) return (await this.#replay(tx, jobId)) as T;
        const result = await effect(tx);
        await tx
          .updateTable('ledger')
          .set({ result: JSON.stringify(result ?? null) })
          .where('job_id', '=', jobId)
          .execute();
        return result;
      });
    } catch (error) {
      throw asStoreError(error);
    }
  }

  /** Write a tombstone. Returns what stood there before: `none` means that the job is cancelled now. */
  async cancel({ jobId, tenant, job }: LedgerEntry): Promise<LedgerRecord> {
    try {
      const inserted = await this.#database
        .insertInto('ledger')
        .values({ job_id: jobId, tenant, job, outcome: 'cancelled' })
        .onConflict((conflict) => conflict.column('job_id').doNothing())
        .returning('job_id')
        .executeTakeFirst();
      return inserted === undefined ? await this.read(jobId) : { outcome: 'none' };
    } catch (error) {
      throw asStoreError(error);
    }
  }

  /** Take a tombstone back: the job turned out to be running. Does nothing when there is none. */
  async uncancel(jobId: string): Promise<void> {
    try {
      await this.#database
        .deleteFrom('ledger')
        .where('job_id', '=', jobId)
        .where('outcome', '=', 'cancelled')
        .execute();
    } catch (error) {
      throw asStoreError(error);
    }
  }

  /** The stored result of a job whose row stood already: the insert waited for its transaction to end. */
  async #replay(tx: Transaction, jobId: string): Promise<unknown> {
    const row = await tx
      .selectFrom('ledger')
      .select(['outcome', 'result'])
      .where('job_id', '=', jobId)
      .executeTakeFirst();
    const record = toRecord(row);
    if (record.outcome === 'applied') return record.result;
    throw new AppError('job-cancelled', 'The job was cancelled before its effect was applied.');
  }
}

function toRecord(row: { outcome: 'applied' | 'cancelled'; result: unknown } | undefined): LedgerRecord {
  if (row === undefined) return { outcome: 'none' };
  return row.outcome === 'applied' ? { outcome: 'applied', result: row.result } : { outcome: 'cancelled' };
}
