/** Reading the tables of our pages, for the tests that compare a page with its source. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** A table under its nearest heading; each row is an array of cells, without the header. */
export interface Table {
  readonly heading: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A page of the repository. */
export function readPage(path: string): Promise<string> {
  return readFile(join(ROOT, path), 'utf8');
}

/** Every table of a page, in order. */
export function tablesOf(page: string): Table[] {
  let heading = '';
  const tables: { heading: string; lines: string[] }[] = [];
  for (const [index, line] of page.split('\n').entries()) {
    if (line.startsWith('#')) heading = line.replace(/^#+ /, '');
    if (!line.startsWith('|')) continue;
    const continues = page.split('\n')[index - 1]?.startsWith('|') ?? false;
    if (!continues) tables.push({ heading, lines: [] });
    tables.at(-1)?.lines.push(line);
  }
  return tables.map(({ heading: under, lines }) => {
    const [header = [], , ...rows] = lines.map(cellsOf);
    return { heading: under, header, rows };
  });
}

/** What stands in backticks in a cell. */
export function codesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(({ 1: code = '' }) => code);
}

function cellsOf(line: string): string[] {
  return line
    .replace(/^\||\|$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());
}
