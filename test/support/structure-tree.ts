/**
 * Small source trees for tests of the structure checks.
 *
 * Promises: every file that a planted file imports by a relative path exists, unless its name says `nowhere`; the
 * packages asked for exist and are declared, except those named `left-…`.
 */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { importsOf } from './structure-syntax.ts';

export interface Packages {
  readonly installed: readonly string[];
  readonly development: readonly string[];
}

/** Write the files, and an empty one for each that they import. Returns the tree's root. */
export async function plantTree(files: Readonly<Record<string, string>>, packages: Packages): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'millrace-tree-'));
  const imported = Object.entries(files).flatMap(([path, text]) =>
    importsOf(text)
      .filter(({ specifier }) => specifier.startsWith('.') && !specifier.includes('nowhere'))
      .map(({ specifier }) => [posix.join(dirname(path), specifier), 'export {};\n'] as const),
  );
  const installed = [...packages.installed, ...packages.development].flatMap((name) => [
    [`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'main.js' })] as const,
    [`node_modules/${name}/main.js`, ''] as const,
  ]);
  const manifest = {
    name: 'tree',
    dependencies: declare(packages.installed.filter((name) => !name.startsWith('left-'))),
    devDependencies: declare(packages.development),
  };
  const all = new Map([
    ...imported,
    ...installed,
    ['package.json', JSON.stringify(manifest)],
    ...Object.entries(files),
  ]);
  for (const [path, text] of all) {
    await mkdir(join(root, dirname(path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

export function removeTree(root: string): Promise<void> {
  return rm(root, { recursive: true, force: true });
}

function declare(names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, '1.0.0']));
}
