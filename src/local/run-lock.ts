/**
 * One `npm start` per data folder: a lock file that names its holder.
 *
 * Promises: of two that start together one wins; a holder that was killed loses the lock by being dead, also when the
 * system has given its number to another program since.
 */

import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { hasCode } from '../errors.ts';
import { linkFirst, writeFirst } from '../whole-file.ts';
import { jsonText, readJson } from './json-file.ts';
import { identify, isSameProcess, type ProcessIdentity } from './processes.ts';

/** Another process holds the lock. */
export class AlreadyRunningError extends Error {
  override readonly name = 'AlreadyRunningError';
}

const TRIES = 5;
const FILE = 'start.lock';
const identitySchema = z.object({ pid: z.int(), mark: z.string() });

/** Take the lock of `folder`; the answer gives it back. Throws `AlreadyRunningError` when somebody alive holds it. */
export async function takeRunLock(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, FILE);
  const mine = jsonText(identify(process.pid));
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    // A lock is never seen half-written.
    if (await writeFirst(path, mine)) return () => rm(path, { force: true });
    const holder = await readHolder(path);
    if (holder !== undefined && isSameProcess(holder)) {
      throw new AlreadyRunningError(`Millrace already runs in ${folder} (process ${holder.pid}).`);
    }
    await removeStale(path, holder);
  }
  throw new AlreadyRunningError(`The lock ${path} changes hands all the time; remove it if nothing runs.`);
}

async function readHolder(path: string): Promise<ProcessIdentity | undefined> {
  const read = identitySchema.safeParse(await readJson(path).catch(() => undefined));
  return read.success ? read.data : undefined;
}

/** Move the lock of a dead holder away; put it back when, in between, somebody alive has taken it. */
async function removeStale(path: string, stale: ProcessIdentity | undefined): Promise<void> {
  const aside = `${path}.stale.${process.pid}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return;
    throw error;
  }
  const moved = await readHolder(aside);
  const isOther = moved !== undefined && (moved.pid !== stale?.pid || moved.mark !== stale.mark);
  if (isOther) await linkFirst(aside, path);
  await rm(aside, { force: true });
}
