import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { removeLeftovers } from '../../../src/local/leftovers.ts';
import { testFolder } from './folder.ts';

/** No process has this number. */
const GONE = 4_194_999;
const TWO_DAYS_AGO = Date.now() / 1000 - 2 * 86_400;
const draftBy = (pid: number, name: string) => `${name}.${pid}.0123abcd.new`;

test('drafts of processes that were killed go after a day; everything else stays', async () => {
  const folder = testFolder();
  const drafts = [draftBy(GONE, 'state.json'), draftBy(GONE, 'start.lock'), `start.lock.stale.${GONE}`, 'a.tmp'];
  const ours = [draftBy(process.pid, 'state.json'), `start.lock.stale.${process.pid}`];
  const others = [...ours, 'state.json', 'start.lock', `notes.${GONE}`, 'notes.new', 'tmp', 'x.json.bak'];
  for (const name of [...drafts, ...others]) {
    writeFileSync(join(folder, name), 'x');
    utimesSync(join(folder, name), TWO_DAYS_AGO, TWO_DAYS_AGO);
  }
  writeFileSync(join(folder, 'young.tmp'), 'x');
  mkdirSync(join(folder, 'folder.tmp'));
  utimesSync(join(folder, 'folder.tmp'), TWO_DAYS_AGO, TWO_DAYS_AGO);
  expect((await removeLeftovers(folder)).sort()).toEqual([...drafts].sort());
  expect(readdirSync(folder).sort()).toEqual([...others, 'young.tmp', 'folder.tmp'].sort());
});
