/**
 * Files that processes which were killed have left in the data folder: drafts that never got their name.
 *
 * Promises: only drafts go, by the way their names end, at least a day after they were last written, and never one whose
 * process still runs. What cannot be removed stays. Called by whoever has the folder's lock.
 */

import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { draftWriter } from '../whole-file.ts';
import { identify } from './processes.ts';

const DAY_MS = 86_400_000;
/** A lock that run-lock.ts has moved away. */
const STALE = /^start[.]lock[.]stale[.](\d+)$/;
const TEMPORARY = /[.]tmp$/;

/** Remove old drafts from a folder. Returns the names of those that went. */
export async function removeLeftovers(folder: string, nowMs = Date.now()): Promise<string[]> {
  const gone: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const writer = writerOf(entry.name);
    if (!entry.isFile() || (writer === undefined && !TEMPORARY.test(entry.name))) continue;
    if (writer !== undefined && identify(writer) !== undefined) continue;
    const path = join(folder, entry.name);
    if (nowMs - (await stat(path)).mtimeMs < DAY_MS) continue;
    await rm(path, { force: true });
    gone.push(entry.name);
  }
  return gone;
}

function writerOf(name: string): number | undefined {
  const stale = STALE.exec(name)?.[1];
  return stale === undefined ? draftWriter(name) : Number(stale);
}
