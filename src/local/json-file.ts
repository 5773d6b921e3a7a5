/** Small JSON files that are read whole or not at all, whatever kills the process that writes them. */

import { readFile, rename, writeFile } from 'node:fs/promises';
import { hasCode } from '../errors.ts';

/** Replace a file in one step; only its owner may read it. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o600 });
  await rename(draft, path);
}

/** What the file holds; undefined when there is none. Throws when it is not JSON. */
export async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}
