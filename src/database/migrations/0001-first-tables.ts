import { type Kysely, sql } from 'kysely';

/** Ledger, gathered requests, edits, profiles, feedback and API keys. */
export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    CREATE TABLE ledger (
      job_id      text PRIMARY KEY,
      tenant      text NOT NULL,
      job         text NOT NULL,
      outcome     text NOT NULL CHECK (outcome IN ('applied', 'cancelled')),
      result      jsonb,
      recorded_at timestamptz NOT NULL DEFAULT now()
    )`.execute(db);
  await sql`
    CREATE TABLE collected_requests (
      job_id         text PRIMARY KEY,
      tenant         text NOT NULL,
      job            text NOT NULL,
      key            text NOT NULL,
      payload        jsonb,
      requested_at   timestamptz NOT NULL,
      collected_into text,
      body_hash      text
    )`.execute(db);
  await sql`
    CREATE INDEX collected_requests_open ON collected_requests (tenant, job, key, requested_at)
    WHERE collected_into IS NULL`.execute(db);
  await sql`
    CREATE TABLE collect_runs (
      tenant     text NOT NULL,
      job        text NOT NULL,
      key        text NOT NULL,
      started_at timestamptz NOT NULL,
      PRIMARY KEY (tenant, job, key)
    )`.execute(db);
  await sql`
    CREATE TABLE edits (
      tenant        text NOT NULL,
      id            text NOT NULL,
      user_id       text NOT NULL,
      content_id    text NOT NULL,
      original_text text NOT NULL,
      edited_text   text NOT NULL,
      saved_at      timestamptz NOT NULL,
      deltas        jsonb NOT NULL,
      learned_by    text NOT NULL,
      learned_at    timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant, id)
    )`.execute(db);
  await sql`CREATE INDEX edits_of_user ON edits (tenant, user_id, saved_at DESC, id DESC)`.execute(db);
  await sql`
    CREATE TABLE profiles (
      tenant      text NOT NULL,
      user_id     text NOT NULL,
      version     integer NOT NULL DEFAULT 0,
      fence       bigint NOT NULL DEFAULT 0,
      sums        jsonb,
      style       jsonb,
      preferences jsonb NOT NULL DEFAULT '{}',
      evolution   jsonb,
      updated_at  timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant, user_id)
    )`.execute(db);
  await sql`
    CREATE TABLE feedback (
      tenant     text NOT NULL,
      id         text NOT NULL,
      user_id    text NOT NULL,
      content_id text NOT NULL,
      rating     smallint NOT NULL CHECK (rating BETWEEN 1 AND 5),
      comment    text,
      given_at   timestamptz NOT NULL,
      PRIMARY KEY (tenant, id)
    )`.execute(db);
  await sql`
    CREATE TABLE api_keys (
      id         text PRIMARY KEY,
      tenant     text NOT NULL,
      label      text NOT NULL,
      hash       text NOT NULL UNIQUE,
      operator   boolean NOT NULL DEFAULT false,
      created_at timestamptz NOT NULL DEFAULT now(),
      revoked_at timestamptz
    )`.execute(db);
}
