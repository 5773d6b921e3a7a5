import { type Kysely, sql } from 'kysely';

/** Mails that have not ended are few among many: the sweep and the page find them without reading the others. */
export async function up(db: Kysely<never>): Promise<void> {
  await sql`CREATE INDEX mail_deliveries_open ON mail_deliveries (id) WHERE state IN ('waiting', 'sending')`.execute(
    db,
  );
}
