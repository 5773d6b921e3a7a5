/**
 * `npm start`: the entry that runs all of Millrace on one machine until it is told to stop.
 *
 * Exit codes: 0 stopped as asked; 1 it could not start or run; 78 something must be set or installed first.
 */

import { chmod, mkdir, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ConfigError, type LocalConfig, loadLocalConfig } from '../config.ts';
import { messageOf } from '../errors.ts';
import { Deadline } from '../lifecycle.ts';
import { removeLeftovers } from './leftovers.ts';
import { Output } from './output.ts';
import { FormationError, type PlannedProcess, parseProcfile, planProcesses } from './procfile.ts';
import { MissingProgramError } from './programs.ts';
import { AlreadyRunningError, takeRunLock } from './run-lock.ts';
import { StartError, Supervisor } from './supervisor.ts';

/** What `npm start` sets unless the user did: one tenant on loopback, and learning that a newcomer sees happen. */
const LOCAL_DEFAULTS = { AUTH: 'off', EDIT_BATCH_WINDOW_MINUTES: '0.03', LEARNING_RATE_LIMIT_MINUTES: '0.03' };

/** The terminal's Ctrl-C reaches us and npm, which passes it on: within this many milliseconds they are one. */
const SAME_SIGNAL_MS = 1000;
const EXIT_FAILED = 1;
const EXIT_CONFIGURE_FIRST = 78;

const EXPECTED = [ConfigError, FormationError, MissingProgramError, AlreadyRunningError, StartError];
const CONFIGURE_FIRST = [ConfigError, FormationError, MissingProgramError];

/** Print why it ends, and tell the exit code. What nobody foresaw comes with its stack. */
function explain(error: unknown): number {
  const isExpected = EXPECTED.some((kind) => error instanceof kind);
  console.error(isExpected || !(error instanceof Error) ? messageOf(error) : error.stack);
  return CONFIGURE_FIRST.some((kind) => error instanceof kind) ? EXIT_CONFIGURE_FIRST : EXIT_FAILED;
}

async function main(): Promise<number> {
  const config = loadLocalConfig(LOCAL_DEFAULTS);
  const root = process.cwd();
  const plan = planProcesses(parseProcfile(await readFile(join(root, 'Procfile'), 'utf8')), config.FORMATION);
  const dataDir = await makeDataDir(resolve(root, config.DATA_DIR));
  const release = await takeRunLock(dataDir);
  try {
    await removeLeftovers(dataDir);
    return await run(config, plan, root, dataDir);
  } finally {
    await release();
  }
}

/** The data folder holds passwords: one that we make is its owner's only. */
async function makeDataDir(path: string): Promise<string> {
  const existed = await stat(path).catch(() => undefined);
  await mkdir(path, { recursive: true });
  if (existed === undefined) await chmod(path, 0o700);
  return path;
}

async function run(
  config: LocalConfig,
  plan: readonly PlannedProcess[],
  root: string,
  dataDir: string,
): Promise<number> {
  const names = plan.map(({ name }) => name);
  const output = new Output(names, (text) => process.stdout.write(text));
  const supervisor = new Supervisor({ config, plan, root, dataDir, output });
  let code = 0;
  const asked = new Promise<void>((resolve) => {
    let firstAt: number | undefined;
    const begin = () => {
      if (firstAt !== undefined) return;
      firstAt = Date.now();
      output.line('millrace', 'stopping; once more to stop at once');
      resolve();
    };
    const onSignal = () => {
      if (firstAt !== undefined && Date.now() - firstAt > SAME_SIGNAL_MS) supervisor.kill();
      begin();
    };
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal);
    // Whoever read our output has gone: nobody would see what we do.
    process.stdout.on('error', begin);
    process.on('uncaughtException', (error) => {
      code = explain(error);
      resolve();
    });
  });
  const failed = supervisor.start().then(
    () => new Promise<never>(() => undefined),
    (error: unknown) => {
      code = explain(error);
    },
  );
  await Promise.race([asked, failed]);
  await supervisor.stop(Deadline.in(config.SHUTDOWN_DEADLINE_MS));
  return code;
}

process.exit(await main().catch(explain));
