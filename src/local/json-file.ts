/** Small JSON files that are read whole or not at all, whatever kills the process that writes them. */

import { readFile } from 'node:fs/promises';
import { hasCode } from '../errors.ts';
import { writeWhole } from '../whole-file.ts';

/** Replace a file in one step; only its owner may read it. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeWhole(path, jsonText(value));
}

/** How a file holds a value. */
export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
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
