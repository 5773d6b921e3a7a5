/**
 * What analytics keeps. Every table holds sums by day, so that adding is all that ever happens to a row.
 *
 * The two indexes let a day's edits and feedback be found without reading the texts of all others.
 */

import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<never>): Promise<void> {
  // Adds bucket by bucket; the shorter list is as if it went on with zeros.
  await sql`
    CREATE FUNCTION analytics_add(a bigint[], b bigint[]) RETURNS bigint[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
      SELECT coalesce(array_agg(coalesce(x, 0) + coalesce(y, 0) ORDER BY place), '{}')
      FROM unnest(a, b) WITH ORDINALITY AS pairs (x, y, place)
    $$`.execute(db);
  await sql`
    CREATE AGGREGATE analytics_sum(bigint[]) (SFUNC = analytics_add, STYPE = bigint[], INITCOND = '{}')`.execute(db);
  await sql`
    CREATE TABLE analytics_jobs (
      tenant   text NOT NULL,
      day      date NOT NULL,
      job      text NOT NULL,
      outcome  text NOT NULL,
      count    bigint NOT NULL,
      wait     bigint[] NOT NULL,
      run      bigint[] NOT NULL,
      PRIMARY KEY (tenant, day, job, outcome)
    )`.execute(db);
  await sql`
    CREATE TABLE analytics_batches (
      process  text PRIMARY KEY,
      number   bigint NOT NULL,
      added_at timestamptz NOT NULL DEFAULT now()
    )`.execute(db);
  await sql`
    CREATE TABLE analytics_usage (
      tenant  text NOT NULL,
      day     date NOT NULL,
      kind    text NOT NULL,
      user_id text NOT NULL DEFAULT '',
      amount  double precision NOT NULL,
      PRIMARY KEY (tenant, day, kind, user_id)
    )`.execute(db);
  await sql`
    CREATE TABLE analytics_days (
      tenant       text NOT NULL,
      day          date NOT NULL,
      series       text NOT NULL,
      amount       double precision NOT NULL,
      rolled_up_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant, day, series)
    )`.execute(db);
  for (const table of ['analytics_jobs', 'analytics_usage', 'analytics_days']) {
    await sql`CREATE INDEX ${sql.id(`${table}_by_day`)} ON ${sql.table(table)} (day)`.execute(db);
  }
  await sql`CREATE INDEX edits_by_time ON edits (saved_at)`.execute(db);
  await sql`CREATE INDEX feedback_by_time ON feedback (given_at)`.execute(db);
}
