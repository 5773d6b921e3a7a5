/**
 * The figures of a day: what is recorded as used, and what the roll-up counts from the tables of others.
 *
 * Promises: writing happens in the caller's transaction, so an effect is exactly once; rolling a day up twice leaves the
 * same rows; a day whose facts are gone from their tables keeps what was counted while they were there. While PostgreSQL
 * is away every call rejects with `store-unavailable`.
 */

import { sql } from 'kysely';
import { asStoreError, type Database } from '../database/connection.ts';
import type { Transaction } from '../database/schema.ts';
import { AppError } from '../errors.ts';
import { type Expirable, type Removal, type RemovalRun, RemovalTally } from '../removal.ts';
import { addDays, type Day, dayOf, startOf } from './day.ts';
import type { Count, CountSource } from './source.ts';

/** What a caller says was used. */
export interface Usage {
  readonly kind: string;
  readonly amount: number;
  readonly at: Date;
  readonly userId: string | undefined;
}

export interface AnalyticsOptions {
  readonly database: Database;
  /** Whoever owns countable facts. */
  readonly sources: readonly CountSource[];
  /** Days for which figures are kept. */
  readonly keepDays: number;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

/** Kinds that a tenant may record on one day: a name made of a number or an id would make one of each. */
const MOST_KINDS = 200;
/** Rows that one statement removes. */
const REMOVED_AT_ONCE = 500;

const TABLES = ['analytics_jobs', 'analytics_usage', 'analytics_days'] as const;

export class Analytics implements Expirable {
  readonly #database: Database;
  readonly #sources: readonly CountSource[];
  readonly #keepDays: number;
  readonly #clock: () => number;

  constructor({ database, sources, keepDays, clock = Date.now }: AnalyticsOptions) {
    this.#database = database;
    this.#sources = sources;
    this.#keepDays = keepDays;
    this.#clock = clock;
  }

  /** Today, in UTC. */
  get today(): Day {
    return dayOf(this.#clock());
  }

  /** Add to what was used of a kind on the day of `at`; returns the day. Throws `work-refused` beyond 200 kinds a day. */
  async recordUsage(tx: Transaction, tenant: string, { kind, amount, at, userId = '' }: Usage): Promise<Day> {
    const day = dayOf(at);
    await refuseTooManyKinds(tx, tenant, day, kind);
    await tx
      .insertInto('analytics_usage')
      .values({ tenant, day, kind: `usage.${kind}`, user_id: userId, amount })
      .onConflict((conflict) =>
        conflict
          .columns(['tenant', 'day', 'kind', 'user_id'])
          .doUpdateSet({ amount: sql<number>`analytics_usage.amount + excluded.amount` }),
      )
      .execute();
    return day;
  }

  /** What the sources say of a day, for all tenants; the amounts of one kind added up. */
  async countDay(day: Day): Promise<readonly Count[]> {
    const to = startOf(addDays(day, 1));
    const answers = await Promise.all(this.#sources.map((source) => source.countsBetween(startOf(day), to)));
    const counts = new Map<string, Count>();
    for (const { tenant, kind, amount } of answers.flat()) {
      const key = `${tenant} ${kind}`;
      counts.set(key, { tenant, kind, amount: Number(amount) + (counts.get(key)?.amount ?? 0) });
    }
    return [...counts.values()];
  }

  /** Write what was counted of a day. Returns the rows written. */
  async writeDay(tx: Transaction, day: Day, counts: readonly Count[]): Promise<number> {
    const written = await sql`
      INSERT INTO analytics_days (tenant, day, series, amount)
      SELECT tenant, ${day}::date, kind, amount
      FROM jsonb_to_recordset(${JSON.stringify(counts)}::jsonb) AS given (tenant text, kind text, amount double precision)
      ORDER BY tenant, kind
      ON CONFLICT (tenant, day, series) DO UPDATE SET amount = excluded.amount, rolled_up_at = now()`.execute(tx);
    return Number(written.numAffectedRows ?? 0);
  }

  /** Remove figures of days beyond `ANALYTICS_KEEP_DAYS`, 500 rows at a time; with `dryRun` only count them. */
  async removeExpired(run: RemovalRun): Promise<Removal> {
    const { dryRun } = run;
    const before = addDays(this.today, -this.#keepDays);
    const tally = new RemovalTally(run);
    for (const table of TABLES) {
      for (let more = true; more && !tally.spent; ) {
        const gone = dryRun ? await this.#countOld(table, before) : await this.#removeOld(table, before);
        await tally.add(gone);
        more = !dryRun && gone.removed === REMOVED_AT_ONCE;
      }
    }
    if (!dryRun) await this.#forgetProcesses(before);
    return tally.total;
  }

  async #countOld(table: string, before: Day) {
    return this.#ask(sql<Removal>`
      SELECT count(*)::integer AS removed, coalesce(sum(pg_column_size(old.*)), 0)::double precision AS bytes
      FROM ${sql.table(table)} AS old WHERE day < ${before}::date`);
  }

  async #removeOld(table: string, before: Day) {
    return this.#ask(sql<Removal>`
      WITH gone AS (
        DELETE FROM ${sql.table(table)} AS old WHERE ctid = ANY (ARRAY(
          SELECT ctid FROM ${sql.table(table)} WHERE day < ${before}::date LIMIT ${REMOVED_AT_ONCE}))
        RETURNING pg_column_size(old.*) AS bytes)
      SELECT count(*)::integer AS removed, coalesce(sum(bytes), 0)::double precision AS bytes FROM gone`);
  }

  /** Marks of processes that have added nothing for as long: their numbers guard no retry any more. */
  async #forgetProcesses(before: Day): Promise<void> {
    await this.#ask(sql<Removal>`
      WITH gone AS (DELETE FROM analytics_batches WHERE added_at < ${startOf(before)} RETURNING 1)
      SELECT count(*)::integer AS removed, 0 AS bytes FROM gone`);
  }

  async #ask(query: ReturnType<typeof sql<Removal>>): Promise<Removal> {
    try {
      const { rows } = await query.execute(this.#database);
      return rows[0] ?? { removed: 0, bytes: 0 };
    } catch (error) {
      throw asStoreError(error);
    }
  }
}

/** Kinds are looked up one after the other in the primary key, so that users of a kind are passed over. */
async function refuseTooManyKinds(tx: Transaction, tenant: string, day: Day, kind: string): Promise<void> {
  const { rows } = await sql<{ known: boolean; kinds: number }>`
    WITH RECURSIVE kinds AS (
      (SELECT kind FROM analytics_usage WHERE tenant = ${tenant} AND day = ${day}::date ORDER BY kind LIMIT 1)
      UNION ALL
      SELECT (SELECT kind FROM analytics_usage
        WHERE tenant = ${tenant} AND day = ${day}::date AND kind > kinds.kind ORDER BY kind LIMIT 1)
      FROM kinds WHERE kinds.kind IS NOT NULL
    )
    SELECT coalesce(bool_or(kind = ${`usage.${kind}`}), false) AS known, count(kind)::integer AS kinds FROM kinds`.execute(
    tx,
  );
  const [found] = rows;
  if (found === undefined || found.known || found.kinds < MOST_KINDS) return;
  throw new AppError('work-refused', `${day} has ${MOST_KINDS} kinds already. A kind is a name, not an id.`);
}
