/** Where a report lies: `report.json` and `report.html` in one folder. Each is replaced whole or not at all. */

import { access, constants, mkdir, rename, rmdir, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { messageOf } from '../../src/errors.ts';
import { makePage } from './page.ts';
import type { Report } from './report.ts';

/** A folder for a report, or why it cannot be one. */
export type Prepared = { readonly forget: () => Promise<void> } | { readonly problem: string };

/** Make the folder. To be asked before the load, not after it; `forget` takes it away again when nothing was measured. */
export async function prepareFolder(folder: string): Promise<Prepared> {
  try {
    // What lies below the data folder is its owner's only, as the folder itself is.
    const made = await mkdir(folder, { recursive: true, mode: 0o700 });
    if (!(await stat(folder)).isDirectory()) return { problem: `${folder} is no folder.` };
    await access(folder, constants.W_OK | constants.X_OK);
    return { forget: () => (made === undefined ? Promise.resolve() : rmdir(folder)) };
  } catch (error) {
    return { problem: `Cannot write to ${folder}: ${messageOf(error)}.` };
  }
}

/** Write both files; where they are. */
export async function writeReport(folder: string, report: Report): Promise<{ json: string; page: string }> {
  const json = resolve(folder, 'report.json');
  const page = resolve(folder, 'report.html');
  await replace(json, `${JSON.stringify(report, rounded, 1)}\n`);
  await replace(page, await makePage(report));
  return { json, page };
}

async function replace(path: string, text: string): Promise<void> {
  const draft = join(`${path}.${process.pid}`);
  await writeFile(draft, text);
  await rename(draft, path);
}

/** Six places are more than any figure is good for. */
function rounded(_name: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toFixed(6)) : value;
}
