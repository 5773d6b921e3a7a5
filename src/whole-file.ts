/**
 * Files that are there whole or not at all, whatever kills the process or the machine.
 *
 * Promises: a file gets its name in one step, with all of its bytes; only its owner may read it; of two who write the
 * same one neither sees the other's half. Unless told otherwise it is on disk, name and bytes, when the call resolves.
 * What fails leaves nothing; what is killed leaves a draft, which whoever owns the folder tells by its name.
 */

import { randomBytes } from 'node:crypto';
import { link, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasCode } from './errors.ts';

/** How the name of a file ends that is not whole yet. */
export const DRAFT_ENDING = '.new';
const DRAFT = /[.](\d+)[.][0-9a-f]{8}[.]new$/;

export interface WriteOptions {
  /** Wait until it is on disk. What costs nothing when a power cut takes it need not. */
  readonly durable?: boolean;
}

/** Put a file in its place, instead of the one that is there. */
export async function writeWhole(
  path: string,
  content: string | Uint8Array,
  { durable = true }: WriteOptions = {},
): Promise<void> {
  const draft = draftOf(path);
  try {
    await writeFile(draft, content, { mode: 0o600, flag: 'wx', flush: durable });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw error;
  }
  if (durable) await syncFolder(dirname(path));
}

/** Put a file in its place unless one is there; was it ours that came first? */
export async function writeFirst(path: string, content: string | Uint8Array): Promise<boolean> {
  const draft = draftOf(path);
  try {
    await writeFile(draft, content, { mode: 0o600, flag: 'wx', flush: true });
    const isFirst = await linkFirst(draft, path);
    if (isFirst) await syncFolder(dirname(path));
    return isFirst;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Give a whole file a second name, unless that is taken. Unlike a rename this replaces nothing. */
export async function linkFirst(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/** Give bytes that are on disk already their name. */
export async function moveInPlace(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncFolder(dirname(to));
}

/** Make the names in a folder durable: those of files that were made, renamed or removed there. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The number of the process that writes this draft, or did; undefined when the name is no draft's. */
export function draftWriter(name: string): number | undefined {
  const pid = DRAFT.exec(name)?.[1];
  return pid === undefined ? undefined : Number(pid);
}

function draftOf(path: string): string {
  return `${path}.${process.pid}.${randomBytes(4).toString('hex')}${DRAFT_ENDING}`;
}
