/** Files and programs: what PATH has. Promises: a question about a file that is not there is answered, never thrown. */

import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { childEnvironment } from '../config.ts';

/** The first of these programs found on PATH, or in `more` folders after it; an absolute path. */
export async function findProgram(names: readonly string[], more: readonly string[] = []): Promise<string | undefined> {
  const folders = (childEnvironment({}).PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const name of names) {
    for (const folder of [...folders, ...more]) {
      const file = join(folder, name);
      if ((await isFile(file)) && (await isExecutable(file))) return file;
    }
  }
  return undefined;
}

/** Is there a file of this name? */
export async function isFile(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ?? false;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
