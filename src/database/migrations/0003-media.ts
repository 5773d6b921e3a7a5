import { type Kysely, sql } from 'kysely';

/** Uploaded, fetched and made files. The bytes lie in the storage under `object_key`, which is never used twice. */
export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    CREATE TABLE media_files (
      tenant       text NOT NULL,
      id           text NOT NULL CHECK (id ~ '^[0-9a-f]{64}$'),
      object_key   text NOT NULL,
      bytes        bigint NOT NULL CHECK (bytes > 0),
      type         text NOT NULL,
      width        integer,
      height       integer,
      origin       text NOT NULL CHECK (origin IN ('upload', 'url', 'made')),
      created_at   timestamptz NOT NULL DEFAULT now(),
      last_used_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant, id)
    )`.execute(db);
  await sql`CREATE UNIQUE INDEX media_files_objects ON media_files (object_key)`.execute(db);
  await sql`CREATE INDEX media_files_unused ON media_files (last_used_at)`.execute(db);
  await sql`CREATE INDEX media_files_new ON media_files (created_at)`.execute(db);
}
