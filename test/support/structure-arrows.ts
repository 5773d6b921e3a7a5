/**
 * The arrows, checked: runs the rules of `.dependency-cruiser.cjs` over a source tree.
 *
 * Promises: nothing passes unseen. A source file that was not cruised and an import that was not followed are reported
 * as violations themselves, since a cruise that saw nothing finds nothing wrong.
 */

import { execFile } from 'node:child_process';
import { dirname, join, posix } from 'node:path';
import { promisify } from 'node:util';
import type { ICruiseResult, IViolation } from 'dependency-cruiser';
import { PRODUCTION, readSources, type Source } from './structure-sources.ts';
import { type ImportRead, importsOf } from './structure-syntax.ts';

/** An arrow that may not be there. */
export interface BadArrow {
  readonly rule: string;
  readonly from: string;
  readonly to: string;
  /** Files of the circle, when it is one. */
  readonly cycle: readonly string[];
}

export interface Arrows {
  /** Source files that the cruiser followed, sorted. */
  readonly cruised: readonly string[];
  readonly violations: readonly BadArrow[];
  /** Every package that a source file imports, by name, sorted. */
  readonly packages: readonly string[];
}

/** Rules with this ending leave `import type` alone. */
const VALUES_ONLY = ':values';

const REPOSITORY = join(import.meta.dirname, '../..');
const CONFIG = join(REPOSITORY, '.dependency-cruiser.cjs');
const CRUISER = join(REPOSITORY, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');

/** Cruise the production folders under `root`. Throws when the cruiser itself fails. */
export async function followArrows(root: string): Promise<Arrows> {
  const sources = await readSources(root, PRODUCTION);
  const folders = PRODUCTION.filter((folder) => sources.some(({ path }) => path.startsWith(`${folder}/`)));
  if (folders.length === 0) throw new Error(`There are no sources under ${root}.`);
  const result = await cruiseFolders(root, folders);
  const imports = new Map(sources.map(({ path, text }) => [path, importsOf(text)]));
  const modules = new Map(result.modules.map((module) => [module.source, module]));
  const violations = result.summary.violations
    .filter((violation) => !isAllowedTypeImport(violation, imports.get(violation.from) ?? []))
    .map(toBadArrow);
  const cruised = [...modules.keys()].filter((path) => PRODUCTION.some((folder) => path.startsWith(`${folder}/`)));
  return {
    cruised: cruised.filter((path) => imports.has(path)).sort(),
    violations: [...violations, ...unseen(sources, modules)],
    packages: [...new Set([...imports.values()].flat().flatMap(packageOf))].sort(),
  };
}

/** In a process of its own: a test runner's module loader hides the cruiser's TypeScript parser from it. */
async function cruiseFolders(root: string, folders: readonly string[]): Promise<ICruiseResult> {
  const line = [CRUISER, ...folders, '--config', CONFIG, '--output-type', 'json'];
  const { stdout } = await promisify(execFile)(process.execPath, line, { cwd: root, maxBuffer: 64 * 1024 * 1024 });
  return JSON.parse(stdout) as ICruiseResult;
}

function toBadArrow({ rule, from, to, cycle }: IViolation): BadArrow {
  return { rule: rule.name, from, to, cycle: cycle?.map(({ name }) => name) ?? [] };
}

/** Is this a hit of a rule about values, and does the file import only types from there? */
function isAllowedTypeImport(violation: IViolation, imports: readonly ImportRead[]): boolean {
  const { rule, from, to, unresolvedTo, dependencyTypes } = violation;
  if (!rule.name.endsWith(VALUES_ONLY)) return false;
  const isDynamic = dependencyTypes?.includes('dynamic-import') ?? false;
  const hits = imports
    .filter(({ dynamic }) => dynamic === isDynamic)
    .filter(({ specifier }) => specifier === unresolvedTo || resolved(from, specifier) === to);
  return hits.length > 0 && hits.every(({ typeOnly }) => typeOnly);
}

function resolved(from: string, specifier: string): string {
  return specifier.startsWith('.') ? posix.join(dirname(from), specifier) : specifier;
}

/** Files and imports that the cruiser did not see. Ambient declarations are looked at, but not into. */
function unseen(
  sources: readonly Source[],
  modules: ReadonlyMap<string, ICruiseResult['modules'][number]>,
): BadArrow[] {
  return sources.flatMap(({ path, text }) => {
    const module = modules.get(path);
    if (module === undefined) return [{ rule: 'every-file-is-cruised', from: path, to: path, cycle: [] }];
    if (path.endsWith('.d.ts')) return [];
    const seen = new Set(module.dependencies.map((dependency) => dependency.module));
    return importsOf(text)
      .filter(({ specifier }) => !seen.has(specifier) && !seen.has(specifier.replace(/^node:/, '')))
      .map(({ specifier }) => ({ rule: 'every-import-is-followed', from: path, to: specifier, cycle: [] }));
  });
}

/** The package that a specifier names: none for a file of ours or a part of Node. */
function packageOf({ specifier }: ImportRead): string[] {
  if (specifier.startsWith('.') || specifier.startsWith('node:')) return [];
  const [scope = '', name = ''] = specifier.split('/');
  return [specifier.startsWith('@') ? `${scope}/${name}` : scope];
}
