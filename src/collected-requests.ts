/**
 * Requests that wait to be gathered into one run (`collect`): the truth about them is a row in PostgreSQL.
 *
 * Promises: every accepted request keeps an id of its own; a run takes all open requests of its key and marks them in
 * the transaction of its effect, so a request is learned by exactly one run and none is forgotten. The window opens at
 * the first open request and is not extended; the rate counts from the start of the last run. While PostgreSQL is away
 * every call rejects with `store-unavailable`.
 */

import type { ExpressionBuilder } from 'kysely';
import { asStoreError, type Database } from './database/connection.ts';
import type { Tables, Transaction } from './database/schema.ts';
import { AppError } from './errors.ts';

/** Which requests belong together. */
export interface CollectKey {
  readonly tenant: string;
  readonly job: string;
  readonly key: string;
}

/** A request as it is stored. */
export interface StoredRequest {
  readonly id: string;
  readonly requestedAt: Date;
  readonly payload: unknown;
  /** SHA-256 of the request when it came with a key, to tell a repeat from a reuse. */
  readonly bodyHash?: string | undefined;
}

/** How long requests are gathered, and how often runs may start; milliseconds. Both 0: each request is its own run. */
export interface CollectPace {
  readonly windowMs: number;
  readonly rateMs: number;
}

/** What a request should do now. */
export type Turn =
  | { readonly kind: 'collected'; readonly into: string; readonly result: unknown }
  | { readonly kind: 'wait'; readonly untilMs: number }
  | { readonly kind: 'run' };

/** An open request past its time: its wake-up may have been lost. */
export interface OverdueRequest extends StoredRequest, CollectKey {}

/** Most requests that one run takes: bounds its memory and its transaction. */
const MOST_PER_RUN = 500;

export class CollectedRequests {
  readonly #database: Database;

  constructor({ database }: { database: Database }) {
    this.#database = database;
  }

  /** Keep a request. The same id twice is one request: returns what stands, from whoever came first. */
  async add(
    { tenant, job, key }: CollectKey,
    { id, requestedAt, payload, bodyHash }: StoredRequest,
  ): Promise<{ requestedAt: Date; bodyHash: string | undefined }> {
    const inserted = await this.#ask(() =>
      this.#database
        .insertInto('collected_requests')
        .values({
          job_id: id,
          tenant,
          job,
          key,
          payload: JSON.stringify(payload),
          requested_at: requestedAt,
          collected_into: null,
          body_hash: bodyHash ?? null,
        })
        .onConflict((conflict) => conflict.column('job_id').doNothing())
        .returning('job_id')
        .executeTakeFirst(),
    );
    const stands = inserted === undefined ? await this.find(tenant, id) : undefined;
    if (stands === undefined) return { requestedAt, bodyHash };
    return { requestedAt: stands.requested_at, bodyHash: stands.body_hash ?? undefined };
  }

  /** Is it this request's turn to run, has it been taken by another run, or must it wait? */
  async turn({ tenant, job, key }: CollectKey, id: string, pace: CollectPace, nowMs: number): Promise<Turn> {
    const row = await this.#ask(() =>
      this.#database
        .selectFrom('collected_requests as r')
        .leftJoin('ledger as l', 'l.job_id', 'r.collected_into')
        .leftJoin('collect_runs as c', (on) =>
          on.onRef('c.tenant', '=', 'r.tenant').onRef('c.job', '=', 'r.job').onRef('c.key', '=', 'r.key'),
        )
        .select(['r.collected_into', 'l.result', 'c.started_at'])
        .select((select) =>
          select
            .selectFrom('collected_requests as open')
            .select((inner) => inner.fn.min('open.requested_at').as('opened_at'))
            .where('open.tenant', '=', tenant)
            .where('open.job', '=', job)
            .where('open.key', '=', key)
            .where('open.collected_into', 'is', null)
            .as('opened_at'),
        )
        .where('r.job_id', '=', id)
        .executeTakeFirst(),
    );
    // Withdrawn meanwhile: whether it is cancelled is for the tombstone to say, when the attempt looks again.
    if (row === undefined) throw new AppError('fence-lost', 'The request was withdrawn; looking again.');
    if (row.collected_into !== null) return { kind: 'collected', into: row.collected_into, result: row.result };
    const windowEndsMs = (row.opened_at?.getTime() ?? nowMs) + pace.windowMs;
    const rateEndsMs = row.started_at === null ? 0 : row.started_at.getTime() + pace.rateMs;
    const untilMs = Math.max(windowEndsMs, rateEndsMs);
    return untilMs > nowMs ? { kind: 'wait', untilMs } : { kind: 'run' };
  }

  /** Open requests of a key, oldest first, always with the run's own; the own alone when nothing is gathered. */
  async open({ tenant, job, key }: CollectKey, ownId: string, pace: CollectPace): Promise<StoredRequest[]> {
    const gathers = pace.windowMs > 0 || pace.rateMs > 0;
    const rows = await this.#ask(() =>
      this.#database
        .selectFrom('collected_requests')
        .select(['job_id', 'payload', 'requested_at'])
        .where('tenant', '=', tenant)
        .where('job', '=', job)
        .where('key', '=', key)
        .where('collected_into', 'is', null)
        .where(isNotCancelled)
        .$if(!gathers, (query) => query.where('job_id', '=', ownId))
        .orderBy((row) => row('job_id', '=', ownId), 'desc')
        .orderBy('requested_at')
        .orderBy('job_id')
        .limit(MOST_PER_RUN)
        .execute(),
    );
    return rows
      .map((row) => ({ id: row.job_id, requestedAt: row.requested_at, payload: row.payload }))
      .sort((a, b) => a.requestedAt.getTime() - b.requestedAt.getTime() || (a.id < b.id ? -1 : 1));
  }

  /**
   * Mark requests as taken by a run, inside the transaction of its effect. Throws `fence-lost` when one of them was
   * cancelled or taken meanwhile: the run then looks again.
   */
  async take(tx: Transaction, collect: CollectKey, ids: readonly string[], runId: string, startedAt: Date) {
    const taken = await tx
      .updateTable('collected_requests')
      .set({ collected_into: runId, payload: null })
      .where('job_id', 'in', ids)
      .where('collected_into', 'is', null)
      .returning('job_id')
      .execute();
    // The rows are locked now: a tombstone that came after they were read is seen here.
    const cancelled = await tx
      .selectFrom('ledger')
      .select('job_id')
      .where('job_id', 'in', ids)
      .where('outcome', '=', 'cancelled')
      .executeTakeFirst();
    if (taken.length !== ids.length || cancelled !== undefined) {
      throw new AppError('fence-lost', 'A gathered request was cancelled or taken while the run was computing.');
    }
    const { tenant, job, key } = collect;
    await tx
      .insertInto('collect_runs')
      .values({ tenant, job, key, started_at: startedAt })
      .onConflict((conflict) => conflict.columns(['tenant', 'job', 'key']).doUpdateSet({ started_at: startedAt }))
      .execute();
  }

  /** Withdraw an open request. Returns false when a run has taken it already. */
  async withdraw(id: string): Promise<boolean> {
    const gone = await this.#ask(() =>
      this.#database
        .deleteFrom('collected_requests')
        .where('job_id', '=', id)
        .where('collected_into', 'is', null)
        .returning('job_id')
        .execute(),
    );
    return gone.length > 0;
  }

  /** What is stored of a request: for answering about a job whose key Redis no longer has. */
  async find(tenant: string, id: string) {
    return this.#ask(() =>
      this.#database
        .selectFrom('collected_requests')
        .select(['job', 'key', 'requested_at', 'collected_into', 'body_hash'])
        .where('tenant', '=', tenant)
        .where('job_id', '=', id)
        .executeTakeFirst(),
    );
  }

  /** Open requests to these jobs that are older than a moment, oldest first, at most `limit`. */
  async overdue(jobs: readonly string[], before: Date, limit: number): Promise<OverdueRequest[]> {
    const rows = await this.#ask(() =>
      this.#database
        .selectFrom('collected_requests')
        .select(['job_id', 'tenant', 'job', 'key', 'payload', 'requested_at', 'body_hash'])
        .where('collected_into', 'is', null)
        .where(isNotCancelled)
        .where('job', 'in', jobs)
        .where('requested_at', '<', before)
        .orderBy('requested_at')
        .limit(limit)
        .execute(),
    );
    return rows.map((row) => ({
      id: row.job_id,
      tenant: row.tenant,
      job: row.job,
      key: row.key,
      payload: row.payload,
      requestedAt: row.requested_at,
      bodyHash: row.body_hash ?? undefined,
    }));
  }

  async #ask<T>(query: () => Promise<T>): Promise<T> {
    try {
      return await query();
    } catch (error) {
      throw asStoreError(error);
    }
  }
}

/** No tombstone stands for the request. */
function isNotCancelled({ exists, not, selectFrom }: ExpressionBuilder<Tables, 'collected_requests'>) {
  const tombstone = selectFrom('ledger')
    .select('ledger.job_id')
    .whereRef('ledger.job_id', '=', 'collected_requests.job_id')
    .where('ledger.outcome', '=', 'cancelled');
  return not(exists(tombstone));
}
