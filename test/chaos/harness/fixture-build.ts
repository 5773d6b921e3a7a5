/**
 * The fixture jobs as built processes load them: `.js`, over the same `dist` that the processes run.
 *
 * Promises: types are stripped and imports of `src` are pointed at `dist/src`; everything lies in the folder given.
 */

import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { transformFileSync } from '@swc/core';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const FIXTURES = 'test/fixtures/jobs';
/** What the fixtures use of the harness. */
const BESIDE = ['test/chaos/harness/trace.ts', 'test/chaos/harness/request-plan.ts'];

/** Build fixtures into `folder`: the chaos jobs, or those of another folder. Returns the folder for `JOBS_DIR`. */
export function buildFixtures(folder: string, from = FIXTURES, wanted = /(^|\/)chaos-[a-z-]+[.]ts$/): string {
  const jobs = readdirSync(join(ROOT, from), { recursive: true, encoding: 'utf8' })
    .filter((path) => wanted.test(path))
    .map((path) => join(from, path));
  for (const path of [...jobs, ...BESIDE]) {
    const target = join(folder, path.replace(/[.]ts$/, '.js'));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, build(path));
  }
  // Bare imports are found from here, and are the very modules that `dist` uses.
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  return join(folder, from);
}

function build(path: string): string {
  const { code } = transformFileSync(join(ROOT, path), {
    jsc: { parser: { syntax: 'typescript' }, target: 'es2022' },
    module: { type: 'es6' },
  });
  return code.replace(/(from\s+)(['"])([.][^'"]+)[.]ts\2/g, (_all, from: string, quote: string, to: string) => {
    const wanted = relative(ROOT, join(ROOT, dirname(path), to));
    const isOurs = wanted.startsWith('src/');
    const found = isOurs ? pathToFileURL(join(ROOT, 'dist', `${wanted}.js`)).href : `${to}.js`;
    return `${from}${quote}${found}${quote}`;
  });
}
