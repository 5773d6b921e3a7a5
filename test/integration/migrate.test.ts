/** Migrations in a database that others use too. */

import pg from 'pg';
import { expect, inject, onTestFinished, test } from 'vitest';
import { migrateDatabase } from '../../src/database/migrate.ts';

const ROUNDS = 40;
const TABLES = 60;

async function client(): Promise<pg.Client> {
  const opened = new pg.Client({ connectionString: inject('DATABASE_URL') });
  await opened.connect();
  onTestFinished(() => opened.end());
  return opened;
}

test('a schema is brought up to date while others come and go', async () => {
  const [ours, others] = [await client(), await client()];
  const schema = `test_migrate_${process.pid}`;
  const passing = `${schema}_passing`;
  onTestFinished(async () => {
    for (const name of [schema, passing]) await ours.query(`DROP SCHEMA IF EXISTS ${name} CASCADE`);
  });
  const tables = Array.from({ length: TABLES }, (_, n) => `CREATE TABLE ${passing}.t${n} (id serial)`).join(';');
  let done = false;
  const comeAndGo = (async () => {
    while (!done) await others.query(`CREATE SCHEMA ${passing}; ${tables}; COMMIT; DROP SCHEMA ${passing} CASCADE`);
  })();
  try {
    for (let round = 0; round < ROUNDS; round++) {
      await migrateDatabase({ url: inject('DATABASE_URL'), schema });
      const { rows } = await ours.query(`SELECT count(*)::int AS count FROM ${schema}.kysely_migration`);
      expect(rows[0].count).toBeGreaterThanOrEqual(8);
    }
  } finally {
    done = true;
    await comeAndGo;
  }
}, 60_000);
