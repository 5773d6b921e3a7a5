import { type Kysely, sql } from 'kysely';

/** What is past its time is found by its time: without these, each look would read the whole table. */
export async function up(db: Kysely<never>): Promise<void> {
  await sql`CREATE INDEX ledger_by_age ON ledger (recorded_at, job_id)`.execute(db);
  await sql`CREATE INDEX collected_requests_by_age ON collected_requests (requested_at, job_id)`.execute(db);
  await sql`CREATE INDEX collect_runs_by_age ON collect_runs (started_at)`.execute(db);
}
