import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SetAside } from '../../../src/journal/set-aside.ts';
import { entry, journalFolder } from '../../support/journal-folder.ts';

it('drops drafts that nobody will finish, and no job', async () => {
  const directory = await journalFolder();
  const folder = join(directory, 'set-aside');
  await mkdir(folder);
  const longAgo = new Date(Date.now() - 2 * 86_400_000);
  for (const name of ['a.json.new', 'b.json.new']) await writeFile(join(folder, name), '{');
  await utimes(join(folder, 'a.json.new'), longAgo, longAgo);
  const setAside = new SetAside({ directory });
  await setAside.put(entry(1), 'no');
  await utimes(join(folder, `${entry(1).id}.json`), longAgo, longAgo);
  await setAside.start();
  expect((await readdir(folder)).sort()).toEqual(['b.json.new', `${entry(1).id}.json`]);
});
