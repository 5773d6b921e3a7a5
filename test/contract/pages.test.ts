/** The pages that are made from the sources are as their sources are now. */

import { describe, expect, it } from 'vitest';
import { describeVariables } from '../../src/config.ts';
import { ERRORS } from '../../src/errors.ts';
import { codesIn, readPage, tablesOf } from '../support/markdown.ts';
import { makePages } from '../support/pages.ts';

describe('a page made from the sources', () => {
  it('is written anew after a change: run `npm run docs`', async () => {
    for (const { path, text } of await makePages()) expect(await readPage(path), path).toBe(text);
  });
});

describe('docs/errors.md', () => {
  it('names every code once, and no other', async () => {
    const rows = tablesOf(await readPage('docs/errors.md')).flatMap((table) => table.rows);
    expect(rows.flatMap(([code = '']) => codesIn(code)).sort()).toEqual(Object.keys(ERRORS).sort());
  });
});

describe('.env.example', () => {
  it('names every variable once, and no other', async () => {
    const names = [...(await readPage('.env.example')).matchAll(/^# ([A-Z][A-Z0-9_]*)=/gm)].map(([, name]) => name);
    expect(names).toEqual(describeVariables().map(({ name }) => name));
  });

  it('has a sentence about each', () => {
    expect(describeVariables().filter(({ description }) => !/^.{10,}[.]$/.test(description))).toEqual([]);
  });
});
