/** `npm run docs`: write the pages that are made from the sources. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makePages } from './pages.ts';

for (const { path, text } of await makePages()) {
  await writeFile(join(import.meta.dirname, '../..', path), text);
  process.stdout.write(`${path}\n`);
}
