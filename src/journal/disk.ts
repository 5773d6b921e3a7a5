/** The disk under a folder: whether it is one, and when a name on it is durable. */

import { mkdir, statfs } from 'node:fs/promises';
import { BootError } from '../lifecycle.ts';

/** Magic numbers of statfs(2) for tmpfs and ramfs. */
const IN_MEMORY = new Set([0x01021994, 0x858458f6]);

/** Throws a `BootError` when the folder is gone with the machine's power. Only Linux tells. */
export async function refuseMemory(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (process.platform !== 'linux' || !IN_MEMORY.has((await statfs(folder)).type)) return;
  throw new BootError(
    `JOURNAL_DIR (${folder}) lies in memory (tmpfs): accepted jobs would be lost with the power. Name a folder on a disk.`,
  );
}
