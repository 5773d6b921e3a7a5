/**
 * Bring a PostgreSQL schema up to date. Migrations are TypeScript objects, so they ship inside `dist`.
 *
 * Promises: running it twice, or from many processes at once, is harmless (kysely holds an advisory lock); a failed
 * migration leaves the schema as it was and throws.
 */

import { type Migration, Migrator, sql } from 'kysely';
import { hasCode } from '../errors.ts';
import { connectDatabase } from './connection.ts';
import * as firstTables from './migrations/0001-first-tables.ts';
import * as outbox from './migrations/0002-outbox.ts';
import * as media from './migrations/0003-media.ts';
import * as mail from './migrations/0004-mail.ts';
import * as conversations from './migrations/0005-conversations.ts';
import * as analytics from './migrations/0006-analytics.ts';
import * as cleanup from './migrations/0007-cleanup.ts';
import * as openMail from './migrations/0008-open-mail.ts';

/** Every migration, in order. A published one never changes. */
const MIGRATIONS: Record<string, Migration> = {
  '0001-first-tables': firstTables,
  '0002-outbox': outbox,
  '0005-conversations': conversations,
  '0006-analytics': analytics,
  '0007-cleanup': cleanup,
  '0008-open-mail': openMail,
  '0003-media': media,
  '0004-mail': mail,
};

/** What PostgreSQL says of a schema, or a table, that is not there. */
const VANISHED = ['3F000', '42P01'];
const MOST_TRIES = 10;

/** Create the schema if it is missing and run what has not run in it. */
export async function migrateDatabase({ url, schema }: { url: string; schema: string }): Promise<void> {
  const database = connectDatabase({ url, schema, poolSize: 2, name: 'migrate' });
  try {
    await sql`CREATE SCHEMA IF NOT EXISTS ${sql.id(schema)}`.execute(database);
    const migrator = new Migrator({
      db: database,
      provider: { getMigrations: async () => MIGRATIONS },
      migrationTableSchema: schema,
    });
    await latest(migrator);
  } finally {
    await database.destroy();
  }
}

/**
 * Kysely first looks at every table of the database, in all its schemas: one that somebody else drops meanwhile fails the
 * look, and says nothing about ours. A migration that fails is undone, so trying again is harmless.
 */
async function latest(migrator: Migrator): Promise<void> {
  for (let tries = 1; ; tries++) {
    const { error } = await migrator.migrateToLatest();
    if (error === undefined) return;
    if (tries === MOST_TRIES || !hasCode(error, ...VANISHED)) throw error;
  }
}
