/**
 * The state file of one machine's Millrace, `state.json` in the data folder: which stores and processes `npm start` runs.
 *
 * Promises: a `web` or `worker` started by hand finds the same stores through it; the next `npm start` finds what a
 * killed one left behind; only its owner may read it, for it holds passwords. A store that does not answer is not told.
 */

import { join } from 'node:path';
import { z } from 'zod';
import { type Environment, loadLocalConfig } from '../config.ts';
import { readJson, writeJson } from './json-file.ts';
import { answers } from './ports.ts';
import { isSameProcess } from './processes.ts';

/** The variables that name a store. */
export const STORE_VARIABLES = ['REDIS_URL', 'REDIS_CACHE_URL', 'DATABASE_URL'] as const;
export type StoreVariable = (typeof STORE_VARIABLES)[number];

const processSchema = z.object({ pid: z.int(), mark: z.string() });

const stateSchema = z.object({
  /** The running `npm start`; unset when it has stopped. */
  supervisor: processSchema.optional(),
  /** The board's password; made once, kept over restarts. */
  boardPassword: z.string().min(8).optional(),
  /** Where PostgreSQL's data is: as root not inside the data folder. */
  postgresFolder: z.string().optional(),
  /** Each store by its variable. Those given by the user have no process of ours. */
  stores: z.partialRecord(z.enum(STORE_VARIABLES), z.object({ url: z.string(), process: processSchema.optional() })),
  /** What web and workers get besides the stores: local defaults. */
  environment: z.record(z.string(), z.string()),
  /** Where the first web process answers; absent until it does. */
  address: z.string().optional(),
  /** Web and worker processes. */
  processes: z.array(processSchema.extend({ name: z.string() })),
});

/** What the state file holds. */
export type LocalState = z.output<typeof stateSchema>;

/** The state where nothing runs and nothing is remembered. */
export const NOTHING_RUNS: LocalState = { stores: {}, environment: {}, processes: [] };

const FILE = 'state.json';
const ANSWER_MS = 500;

/** Read the state file of `dataDir`; the empty state when there is none, or none that can be read. */
export async function readState(dataDir: string): Promise<LocalState> {
  // A file of another version or with a hole in it tells nothing; what it knew is found again from the stores' folders.
  const read = stateSchema.safeParse(await readJson(join(dataDir, FILE)).catch(() => undefined));
  return read.success ? read.data : NOTHING_RUNS;
}

/** Replace the state file of `dataDir`. */
export function writeState(dataDir: string, state: LocalState): Promise<void> {
  return writeJson(join(dataDir, FILE), state);
}

/**
 * The variables that a process started by hand needs to join the `npm start` that runs in `dataDir`: the URLs of the
 * stores that answer and the local defaults. Empty when no `npm start` runs. Takes at most half a second.
 * `dataDir`: DATA_DIR unless told.
 */
export async function readLocalState(dataDir = loadLocalConfig().DATA_DIR): Promise<Environment> {
  const { supervisor, stores, environment } = await readState(dataDir);
  if (supervisor === undefined || !isSameProcess(supervisor)) return {};
  const found: Record<string, string> = { ...environment };
  await Promise.all(
    Object.entries(stores).map(async ([name, store]) => {
      if (store.process !== undefined && !isSameProcess(store.process)) return;
      const { hostname, port, protocol } = new URL(store.url);
      const standard = protocol.startsWith('postgres') ? 5432 : 6379;
      if (await answers(port === '' ? standard : Number(port), hostname, ANSWER_MS)) found[name] = store.url;
    }),
  );
  return found;
}

/** Where the `npm start` that runs in `dataDir` answers HTTP; undefined when none does. */
export async function readLocalAddress(dataDir: string): Promise<string | undefined> {
  const { supervisor, address } = await readState(dataDir);
  return supervisor !== undefined && isSameProcess(supervisor) ? address : undefined;
}
