/**
 * The rows of the outbox: jobs that `millrace_enqueue` was asked for inside somebody's transaction.
 *
 * Promises: many processes may take rows at once and no two have the same one; the rows of one transaction are taken in
 * the order of its calls, a later one never while another process has an earlier one; a row goes away in the transaction
 * that took it, so a process that dies leaves its rows as they were, and one that hangs gives them back within 20 s.
 * While PostgreSQL is away every call rejects with `store-unavailable`.
 */

import { sql } from 'kysely';
import type { ErrorCode } from '../errors.ts';
import { asStoreError, type Database } from './connection.ts';
import type { Transaction } from './schema.ts';

/** A row as it is handed over. Null: not given. */
export interface OutboxRow {
  /** Its place in the order; a number as text. */
  readonly seq: string;
  readonly id: string;
  readonly tenant: string;
  readonly job: string;
  readonly payload: unknown;
  readonly requested_at: Date;
  readonly run_at: Date | null;
  readonly attempts: number | null;
  readonly priority: number | null;
  readonly timeout_ms: number | null;
  readonly tags: readonly string[] | null;
  readonly idempotency_key: string | null;
  /** Times that its hand-over has failed for no reason of its own. */
  readonly tries: number;
  /** Somebody has cancelled the job. */
  readonly cancelled: boolean;
}

/** What became of a row: `done` goes away, `later` stays as it is. */
export type OutboxVerdict =
  | { readonly kind: 'done' }
  | { readonly kind: 'later'; readonly why: string }
  | { readonly kind: 'put-off'; readonly forMs: number; readonly why: string }
  | { readonly kind: 'set-aside'; readonly code: ErrorCode; readonly detail: string };

/** A row and what became of it. */
export interface SettledRow {
  readonly row: OutboxRow;
  readonly verdict: OutboxVerdict;
}

/** A committed job that is in no queue yet. */
export interface OutboxEntry {
  readonly job: string;
  readonly requestedAt: Date;
  readonly runAt: Date | null;
  /** Why it can never be accepted, once that is known. */
  readonly setAside: { readonly code: string; readonly detail: string; readonly at: Date } | null;
}

/** Oldest rows that are looked at for transactions that nobody has; bounds a look at a long backlog. */
const LOOKED_AT = 1000;
/** After this a transaction that does nothing is ended by PostgreSQL: its process hangs. */
const HUNG_MS = 20_000;

/** The channel on which `millrace_enqueue` of this schema tells that there are rows: see the migration. */
export function outboxChannel(schema: string): string {
  return `millrace_outbox_${schema}`.slice(0, 63);
}

const isOpen = sql`open AND not_before <= now()`;

export class OutboxRows {
  readonly #database: Database;

  constructor({ database }: { database: Database }) {
    this.#database = database;
  }

  /**
   * Take at most `limit` rows, let `work` decide what becomes of each, in their order, and make it so. Returns them;
   * when it throws, nothing has become of any.
   */
  async take(
    limit: number,
    work: (rows: readonly OutboxRow[]) => Promise<readonly OutboxVerdict[]>,
  ): Promise<SettledRow[]> {
    return this.#ask(() =>
      this.#database.transaction().execute(async (tx) => {
        const rows = await takeRows(tx, limit);
        if (rows.length === 0) return [];
        await sql`SELECT set_config('idle_in_transaction_session_timeout', ${String(HUNG_MS)}, true)`.execute(tx);
        const verdicts = await work(rows);
        const settled = rows.flatMap((row, at) => {
          const verdict = verdicts[at];
          return verdict === undefined ? [] : [{ row, verdict }];
        });
        await settle(tx, settled);
        return settled;
      }),
    );
  }

  /** The row of this job, if there is one. */
  async find(tenant: string, id: string): Promise<OutboxEntry | undefined> {
    const row = await this.#ask(() =>
      this.#database
        .selectFrom('outbox')
        .select(['job', 'requested_at', 'run_at', 'set_aside_at', 'error_code', 'error_detail'])
        .where('id', '=', id)
        .where('tenant', '=', tenant)
        // One that is on its way says more than a repeat of it that was refused.
        .orderBy('set_aside_at', (order) => order.asc().nullsFirst())
        .orderBy('seq')
        .limit(1)
        .executeTakeFirst(),
    );
    if (row === undefined) return undefined;
    const { job, requested_at: requestedAt, run_at: runAt, set_aside_at: at } = row;
    const setAside = at === null ? null : { code: row.error_code ?? '', detail: row.error_detail ?? '', at };
    return { job, requestedAt, runAt, setAside };
  }

  async #ask<T>(query: () => Promise<T>): Promise<T> {
    try {
      return await query();
    } catch (error) {
      throw asStoreError(error);
    }
  }
}

/**
 * Whoever locks the oldest open row of a transaction has the whole transaction: that keeps its order. The row locks of
 * the last step are for people who mend rows by hand.
 */
async function takeRows(tx: Transaction, limit: number): Promise<OutboxRow[]> {
  const { rows } = await sql<OutboxRow>`
    WITH oldest AS MATERIALIZED (
      SELECT seq, tx FROM outbox WHERE ${isOpen} ORDER BY seq LIMIT ${LOOKED_AT}
    ), firsts AS MATERIALIZED (
      SELECT tx FROM outbox
      WHERE seq = ANY (ARRAY (SELECT min(seq) FROM oldest GROUP BY tx)) AND ${isOpen}
      ORDER BY seq LIMIT ${limit} FOR UPDATE SKIP LOCKED
    )
    SELECT seq, id, tenant, job, payload, requested_at, run_at, attempts, priority, timeout_ms, tags, idempotency_key,
      tries,
      EXISTS (SELECT FROM ledger WHERE ledger.job_id = outbox.id AND ledger.outcome = 'cancelled') AS cancelled
    FROM outbox
    WHERE seq = ANY (ARRAY (
      SELECT seq FROM oldest WHERE tx IN (SELECT tx FROM firsts) ORDER BY seq LIMIT ${limit}
    )) AND ${isOpen}
    ORDER BY seq FOR UPDATE OF outbox SKIP LOCKED`.execute(tx);
  return rows;
}

async function settle(tx: Transaction, settled: readonly SettledRow[]): Promise<void> {
  const done = settled.filter(({ verdict }) => verdict.kind === 'done').map(({ row }) => row.seq);
  if (done.length > 0) await tx.deleteFrom('outbox').where('seq', 'in', done).execute();
  for (const { row, verdict } of settled) {
    if (verdict.kind === 'put-off') {
      const not_before = sql<Date>`now() + ${verdict.forMs} * interval '1 millisecond'`;
      await tx
        .updateTable('outbox')
        .set({ tries: row.tries + 1, not_before, error_detail: verdict.why })
        .where('seq', '=', row.seq)
        .execute();
    } else if (verdict.kind === 'set-aside') {
      await tx
        .updateTable('outbox')
        .set({ set_aside_at: sql<Date>`now()`, error_code: verdict.code, error_detail: verdict.detail })
        .where('seq', '=', row.seq)
        .execute();
    }
  }
}
