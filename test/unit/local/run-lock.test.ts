import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { takeRunLock } from '../../../src/local/run-lock.ts';
import { testFolder } from './folder.ts';

describe('the run lock', () => {
  it('is held by one until it is given back', async () => {
    const folder = testFolder();
    const release = await takeRunLock(folder);
    await expect(takeRunLock(folder)).rejects.toThrow(`already runs in ${folder} (process ${process.pid})`);
    await release();
    await (await takeRunLock(folder))();
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    ['a dead process', JSON.stringify({ pid: 2 ** 30, mark: 'long ago' })],
    ['a process whose number another program has now', JSON.stringify({ pid: process.pid, mark: 'long ago' })],
    ['nobody that can be read', '{'],
  ])('of %s is taken over', async (_, text) => {
    const folder = testFolder();
    writeFileSync(join(folder, 'start.lock'), text);
    const release = await takeRunLock(folder);
    await release();
    expect(existsSync(join(folder, 'start.lock'))).toBe(false);
  });
});
