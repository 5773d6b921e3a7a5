/** `millrace migrate`: bring the tables in PostgreSQL up to date. */

import type { Command } from 'commander';
import { asStoreError } from '../database/connection.ts';
import { migrateDatabase } from '../database/migrate.ts';
import { storeUrl, type Terminal } from './terminal.ts';

/** Add the command. */
export function addMigrate(program: Command, terminal: Terminal): void {
  program
    .command('migrate')
    .description('Create or update the tables. Running it twice, or on many machines at once, is harmless.')
    .addHelpText('after', '\nExample:\n  DATABASE_URL=postgres://… DATABASE_SCHEMA=millrace millrace migrate')
    .action(async () => {
      const config = await terminal.config();
      const schema = config.DATABASE_SCHEMA;
      try {
        await migrateDatabase({ url: storeUrl(config, 'DATABASE_URL'), schema });
      } catch (error) {
        throw asStoreError(error);
      }
      terminal.say(`The tables in schema ${schema} are up to date.`);
    });
}
