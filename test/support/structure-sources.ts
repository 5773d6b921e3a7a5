/**
 * The files that the structure figures are about: read once, with their paths as the repository spells them.
 *
 * Promises: every file under the given folders that a process or a test could load; nothing is filtered by content.
 */

import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';

/** One file. `path` is relative to the repository, with `/`. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/** Folders of what runs in production. */
export const PRODUCTION = ['src', 'jobs', 'workers'];

const CODE = /\.(ts|mts|cts|js|mjs|cjs)$/;

/** Every code file under the folders, sorted by path. A folder that is not there holds none. */
export async function readSources(root: string, folders: readonly string[]): Promise<Source[]> {
  const lists = await Promise.all(folders.map((folder) => filesUnder(root, folder)));
  const paths = lists.flat().filter((path) => CODE.test(path));
  return Promise.all(paths.sort().map(async (path) => ({ path, text: await readFile(join(root, path), 'utf8') })));
}

/** Every file under a folder, whatever it is, relative to `root`. */
export async function filesUnder(root: string, folder: string): Promise<string[]> {
  try {
    const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

/** How many lines a text has. */
export function countLines(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
}
