/** Private folders that killed processes have left: found by name, owner and age. */

import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Removal, type RemovalRun, RemovalTally } from '../removal.ts';

/** How the private folders of decoding begin. */
export const FOLDER_PREFIX = 'millrace-audio-';

/** Milliseconds after which nobody works in a folder any more: twice the longest attempt. */
const LEFT_MS = 3_600_000;

/** Remove folders of ours that were left in `parent`; with `dryRun` only count them. */
export async function sweepFolders(parent: string, run: RemovalRun): Promise<Removal> {
  const tally = new RemovalTally(run);
  for (const name of await readdir(parent)) {
    if (tally.spent) break;
    const folder = join(parent, name);
    if (!name.startsWith(FOLDER_PREFIX) || !(await isLeft(folder))) continue;
    const bytes = await weigh(folder);
    if (!run.dryRun) await rm(folder, { recursive: true, force: true });
    await tally.add({ removed: 1, bytes });
  }
  return tally.total;
}

async function isLeft(folder: string): Promise<boolean> {
  const found = await stat(folder).catch(() => undefined);
  const isOurs = found?.isDirectory() === true && found.uid === process.getuid?.();
  return isOurs && Date.now() - found.mtimeMs > LEFT_MS;
}

async function weigh(folder: string): Promise<number> {
  const names = await readdir(folder).catch(() => []);
  const sizes = await Promise.all(names.map((name) => stat(join(folder, name)).catch(() => undefined)));
  return sizes.reduce((sum, file) => sum + (file?.size ?? 0), 0);
}
