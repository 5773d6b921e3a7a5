import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { refuseMemory } from '../../../src/journal/disk.ts';
import { journalFolder } from '../../support/journal-folder.ts';

/** tmpfs and ramfs, as statfs(2) numbers them. */
const MEMORY = [0x01021994, 0x858458f6];

it('refuses a folder in memory with the cure, and takes one on a disk', async () => {
  const folder = await journalFolder();
  const inMemory = MEMORY.includes((await statfs(tmpdir())).type) && process.platform === 'linux';
  if (inMemory) await expect(refuseMemory(folder)).rejects.toThrow(/JOURNAL_DIR/);
  else await expect(refuseMemory(folder)).resolves.toBeUndefined();
});

it('refuses /dev/shm where there is one in memory', async () => {
  const shm = await statfs('/dev/shm').catch(() => undefined);
  if (shm === undefined) return expect(process.platform).not.toBe('linux');
  expect(MEMORY).toContain(shm.type);
  await expect(refuseMemory('/dev/shm')).rejects.toThrow(/lies in memory/);
});
