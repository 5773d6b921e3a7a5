/** Private folders that killed processes have left: found by name, owner and age. */

import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** How the private folders of decoding begin. */
export const FOLDER_PREFIX = 'millrace-audio-';

/** Milliseconds after which nobody works in a folder any more: twice the longest attempt. */
const LEFT_MS = 3_600_000;
const BATCH = 500;

export interface Swept {
  /** Folders. */
  readonly removed: number;
  readonly bytes: number;
}

/** Remove folders of ours that were left in `parent`; with `dryRun` only count them. At most 500 at a time. */
export async function sweepFolders(
  parent: string,
  { dryRun, signal }: { dryRun: boolean; signal: AbortSignal },
): Promise<Swept> {
  let removed = 0;
  let bytes = 0;
  for (const name of (await readdir(parent)).filter((each) => each.startsWith(FOLDER_PREFIX)).slice(0, BATCH)) {
    signal.throwIfAborted();
    const folder = join(parent, name);
    if (!(await isLeft(folder))) continue;
    bytes += await weigh(folder);
    if (!dryRun) await rm(folder, { recursive: true, force: true });
    removed += 1;
  }
  return { removed, bytes };
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
