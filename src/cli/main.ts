#!/usr/bin/env node
/**
 * The `millrace` command.
 *
 * Exit codes: 0 done; 1 it failed, or was called wrongly; 78 a variable is missing or wrong.
 */

import { Command } from 'commander';
import { ConfigError } from '../config.ts';
import { hasCode, isAppError, messageOf } from '../errors.ts';
import { VERSION } from '../monitoring/version.ts';
import { addCleanup } from './cleanup.ts';
import { addDemo } from './demo.ts';
import { addHealth } from './health.ts';
import { addKeysCreate } from './keys-create.ts';
import { addKeysList } from './keys-list.ts';
import { addKeysRevoke } from './keys-revoke.ts';
import { addMigrate } from './migrate.ts';
import { addPing } from './ping.ts';
import { addRecover } from './recover.ts';
import { addSetAside } from './set-aside.ts';
import { terminal } from './terminal.ts';

const EXIT_FAILED = 1;
const EXIT_CONFIGURE_FIRST = 78;

const STORES = `
Stores: REDIS_URL and DATABASE_URL; what is not set is taken from the \`npm start\` that runs in this folder.`;

const STORE_CURE = 'Does it run, and is it the one that REDIS_URL or DATABASE_URL names? See docs/operations.md.';

/** The command with all that follows it. */
function createProgram(): Command {
  const program = new Command('millrace')
    .description('Look after a Millrace: its API keys, its tables, its Redis.')
    .version(VERSION)
    .showHelpAfterError('(see --help)')
    .addHelpText('after', STORES);
  const keys = program.command('keys').description('API keys: who may ask.');
  addKeysCreate(keys, terminal);
  addKeysList(keys, terminal);
  addKeysRevoke(keys, terminal);
  addMigrate(program, terminal);
  addPing(program, terminal);
  addHealth(program, terminal);
  addSetAside(program, terminal);
  addRecover(program, terminal);
  addCleanup(program, terminal);
  addDemo(program, terminal);
  return program;
}

/** Say why it failed, and tell the exit code. What nobody foresaw comes with its stack. */
function explain(error: unknown): number {
  if (error instanceof ConfigError) {
    terminal.say(error.message);
    return EXIT_CONFIGURE_FIRST;
  }
  if (isAppError(error, 'store-unavailable')) terminal.say(`${error.message}\n${STORE_CURE}`);
  else if (isAppError(error)) terminal.say(error.message);
  else if (isMissingTable(error)) terminal.say('The tables are not there yet: run `millrace migrate` first.');
  else terminal.say(error instanceof Error ? (error.stack ?? error.message) : messageOf(error));
  return EXIT_FAILED;
}

/** SQLSTATE 42P01: undefined table. */
function isMissingTable(error: unknown): boolean {
  return hasCode(error, '42P01');
}

try {
  await createProgram().parseAsync();
} catch (error) {
  process.exitCode = explain(error);
}
