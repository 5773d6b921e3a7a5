/** A key that this machine makes for itself. */

import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { KeptKey } from '../../../src/access/kept-key.ts';
import { testFolder } from '../local/folder.ts';

const keyIn = (folder: string) => new KeptKey({ path: join(folder, 'key'), variable: 'DATA_DIR' });
const AWAY = { code: 'store-unavailable', retryAfterSeconds: 10, message: expect.stringContaining('DATA_DIR') };

it('is one for all processes, whoever of many comes first, and stays', async () => {
  const folder = join(testFolder(), 'new');
  const keys = await Promise.all(Array.from({ length: 12 }, () => keyIn(folder).read()));
  expect(new Set(keys).size).toBe(1);
  expect(keys[0]).toMatch(/^[0-9a-f]{64}$/);
  expect(await keyIn(folder).read()).toBe(keys[0]);
  expect(readFileSync(join(folder, 'key'), 'utf8')).toBe(keys[0]);
  expect(readdirSync(folder)).toEqual(['key']);
  expect(statSync(join(folder, 'key')).mode & 0o777).toBe(0o600);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
});

it('is what somebody has put there', async () => {
  const folder = testFolder();
  writeFileSync(join(folder, 'key'), 'k'.repeat(43));
  expect(await keyIn(folder).read()).toBe('k'.repeat(43));
});

it.each(['', 'short'])('is never what is left of one (%j), and is asked for again', async (remains) => {
  const folder = testFolder();
  const key = keyIn(folder);
  writeFileSync(join(folder, 'key'), remains);
  await expect(key.read()).rejects.toMatchObject(AWAY);
  expect(readFileSync(join(folder, 'key'), 'utf8')).toBe(remains);
  rmSync(join(folder, 'key'));
  expect(await key.read()).toMatch(/^[0-9a-f]{64}$/);
});

it('waits for a place where it can be kept', async () => {
  const folder = testFolder();
  // A file where the folder should be: also root cannot make one there.
  writeFileSync(join(folder, 'place'), '');
  const key = keyIn(join(folder, 'place'));
  await expect(key.read()).rejects.toMatchObject(AWAY);
  rmSync(join(folder, 'place'));
  mkdirSync(join(folder, 'place'));
  chmodSync(join(folder, 'place'), 0o700);
  expect(await key.read()).toHaveLength(64);
});
