/**
 * The catalog of job definitions: every file under `jobs/`, loaded once at boot. Folder = queue, file = job.
 *
 * Promises: a definition that is wrong stops the boot with the file and the cure, all problems at once; after the boot
 * the catalog never changes.
 */

import { readdir } from 'node:fs/promises';
import { basename, extname, join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { AppError } from '../errors.ts';
import { isEventType } from '../events/event.ts';
import { BootError } from '../lifecycle.ts';
import { isJobDefinition, type JobDefinition } from './job.ts';

/** One or more definitions are wrong. The message names each file and its cure. */
export class CatalogError extends BootError {
  override readonly name = 'CatalogError';

  constructor(problems: readonly string[]) {
    super(`The job definitions have problems:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
  }
}

export class Catalog {
  /** All definitions, by name. */
  readonly all: readonly JobDefinition[];
  /** Where their files are; undefined when there are none, as in tests. */
  readonly directory: string | undefined;
  readonly #byName = new Map<string, JobDefinition>();
  readonly #byFormerName = new Map<string, JobDefinition>();

  /** Takes definitions that `loadCatalog` has checked. */
  constructor(definitions: readonly JobDefinition[], directory?: string) {
    this.directory = directory;
    this.all = [...definitions].sort((a, b) => a.name.localeCompare(b.name));
    for (const definition of definitions) {
      this.#byName.set(definition.name, definition);
      for (const name of definition.formerly) this.#byFormerName.set(name, definition);
    }
  }

  /** Names of all queues, sorted. */
  get queues(): readonly string[] {
    return [...new Set(this.all.map((definition) => definition.queue))].sort();
  }

  /** Every name that `getStored` knows. */
  get storedNames(): readonly string[] {
    return [...this.#byName.keys(), ...this.#byFormerName.keys()];
  }

  /** The definition of this name. Throws `unknown-job`, naming the nearest one. */
  get(name: string): JobDefinition {
    const definition = this.#byName.get(name);
    if (definition !== undefined) return definition;
    const nearest = nearestName(name, [...this.#byName.keys()]);
    const hint = nearest === undefined ? '' : ` Did you mean ${nearest}?`;
    throw new AppError('unknown-job', `There is no job "${name.slice(0, 100)}".${hint}`);
  }

  /** As `get`, but also by a name the job had before: what a worker uses for jobs that slept in Redis. */
  getStored(name: string): JobDefinition {
    return this.findStored(name) ?? this.get(name);
  }

  /** As `getStored`, or undefined when no definition has the name. */
  findStored(name: string): JobDefinition | undefined {
    return this.#byName.get(name) ?? this.#byFormerName.get(name);
  }
}

/** Load every definition under `directory`. Throws `CatalogError`. */
export async function loadCatalog(directory: string): Promise<Catalog> {
  const problems: string[] = [];
  const definitions: JobDefinition[] = [];
  for (const file of await definitionFiles(directory)) {
    const shown = relative(directory, file);
    try {
      const loaded: { default?: unknown } = await import(pathToFileURL(file).href);
      if (isJobDefinition(loaded.default)) {
        problems.push(...problemsOf(loaded.default, nameFromPath(directory, file)).map((text) => `${shown}: ${text}`));
        definitions.push(loaded.default);
      } else {
        problems.push(`${shown}: has no definition. Write \`export default defineJob({ … })\`.`);
      }
    } catch (error) {
      problems.push(`${shown}: cannot be loaded: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  problems.push(...clashes(definitions));
  if (definitions.length === 0 && problems.length === 0) problems.push(`${directory}: holds no job definitions.`);
  if (problems.length > 0) throw new CatalogError(problems);
  return new Catalog(definitions, directory);
}

/** `.js` when the sources were built, `.ts` under the test runner; never `.d.ts`. */
async function definitionFiles(directory: string): Promise<string[]> {
  const extension = extname(import.meta.url);
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && extname(entry.name) === extension && !entry.name.endsWith('.d.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function nameFromPath(directory: string, file: string): string {
  const [queue = '', ...rest] = relative(directory, file).split(sep);
  const last = rest.join('/');
  return `${queue}.${last.slice(0, -extname(last).length) || basename(queue, extname(queue))}`;
}

const NAME = /^[a-z][a-z0-9-]{0,62}\.[a-z][a-z0-9-]{0,62}$/;

function problemsOf(definition: JobDefinition, expected: string): string[] {
  const problems: string[] = [];
  const { name } = definition;
  if (name !== expected) problems.push(`is named "${name}" but its path says "${expected}". Make them equal.`);
  else if (!NAME.test(name)) problems.push(`"${name}" is not like queue.verb-object: lower case, digits and hyphens.`);
  if (definition.on !== undefined && !isEventType(definition.on.event)) {
    problems.push(`listens on the unknown event "${String(definition.on.event)}". Add it to src/events/event.ts.`);
  }
  if (definition.isolated && definition.collect !== undefined) {
    problems.push('is isolated and gathers its requests. Drop `collect`, or let it enqueue an isolated job.');
  }
  const example = definition.payload.safeParse(definition.example);
  if (!example.success) problems.push(`its example does not fit its payload: ${z.prettifyError(example.error)}`);
  try {
    z.toJSONSchema(definition.payload, { io: 'input' });
    z.toJSONSchema(definition.result, { io: 'input' });
  } catch (error) {
    problems.push(`a schema cannot be shown as JSON Schema: ${error instanceof Error ? error.message : error}`);
  }
  if (definition.attempts < 1 || definition.attempts > 25) problems.push('attempts must be 1–25.');
  if (definition.timeoutMs < 100 || definition.timeoutMs > 86_400_000) problems.push('timeoutMs must be 100–86400000.');
  return problems;
}

function clashes(definitions: readonly JobDefinition[]): string[] {
  const seen = new Set<string>();
  const problems: string[] = [];
  for (const { name, formerly } of definitions) {
    for (const each of [name, ...formerly]) {
      if (seen.has(each)) problems.push(`${each}: is the name of two definitions. Rename one.`);
      seen.add(each);
    }
  }
  return problems;
}

/** The known name with the fewest edits, when it is close enough to be a slip. */
function nearestName(name: string, known: readonly string[]): string | undefined {
  const limit = Math.max(2, Math.floor(name.length / 4));
  let best: { name: string; distance: number } | undefined;
  for (const each of known) {
    const distance = editDistance(name.slice(0, 128), each);
    if (distance <= limit && (best === undefined || distance < best.distance)) best = { name: each, distance };
  }
  return best?.name;
}

/** Levenshtein's distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitute, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
