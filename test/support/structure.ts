/**
 * The structure of the code in figures: what docs/architecture.md promises about shape, measured on a source tree.
 *
 * Promises: each figure carries the bound that it must not pass and the places that pass it. `npm run check` prints
 * them all; test/contract/structure.test.ts holds the first ones and proves that each can fail.
 */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type BadArrow, followArrows } from './structure-arrows.ts';
import { countLines, filesUnder, PRODUCTION, readSources, type Source } from './structure-sources.ts';
import { countAny, longestFunction, readsEnvironment, skippedIn, sleepsIn } from './structure-syntax.ts';

export interface Figure {
  readonly name: string;
  readonly value: number;
  /** The bound: the figure holds when the value is at most this. */
  readonly most: number;
  /** Where it comes from, one line each. */
  readonly places: readonly string[];
}

/** Eleven files of the ground, three that compose, and a folder or file for each noun of the domain. */
const MOST_ENTRIES = 35;

/** One screen, with its signature and braces. */
const ONE_SCREEN = 60;

const BANNED_WORDS = /(^|-)(utils?|helpers?|common|shared|misc|lib|core|base|manager)($|-)/;
const BANNED_NAMES = /^(types|interfaces|constants|index)$/;
const DIRECTIVES = /@ts-(ignore|nocheck|expect-error)/g;

/** The file that owns the environment. */
const CONFIG = 'src/config.ts';
const RUN_JOB = 'workers/run-job.ts';

/** What is no test itself, and the one test of the function that waits for the clock. */
const MAY_SLEEP = /^test\/(support|fixtures|bench|load)\/|^test\/unit\/lifecycle[.]test[.]ts$/;

export function holds({ value, most }: Figure): boolean {
  return value <= most;
}

/** Measure the tree under `root`. */
export async function measureStructure(root: string): Promise<Figure[]> {
  const [arrows, production, tests] = await Promise.all([
    followArrows(root),
    readSources(root, PRODUCTION),
    readSources(root, ['test']),
  ]);
  const cycles = arrows.violations.filter(({ cycle }) => cycle.length > 0);
  const broken = arrows.violations.filter(({ cycle }) => cycle.length === 0);
  return [
    zero('import cycles, type imports included', cycles.map(describeArrow)),
    zero('any, and directives that silence the compiler', [...production, ...tests].flatMap(looseTypes)),
    zero('banned names in paths', (await everyPath(root)).filter(hasBannedName)),
    zero('arrows broken', broken.map(describeArrow)),
    zero(
      `source files not cruised, of ${production.length}`,
      production.map(({ path }) => path).filter((path) => !arrows.cruised.includes(path)),
    ),
    zero('files besides config.ts that read the environment', production.filter(readsItself).map(pathOf)),
    ...sizes(production),
    await entries(root),
    depth(production),
    screen(production),
    zero('sleeps in tests', tests.filter(mayNotSleep).flatMap(inFile(sleepsIn))),
    zero('skipped or focused tests', tests.flatMap(inFile(skippedIn))),
  ];
}

function zero(name: string, places: readonly string[]): Figure {
  return { name, value: places.length, most: 0, places };
}

function pathOf({ path }: Source): string {
  return path;
}

function describeArrow({ rule, from, to, cycle }: BadArrow): string {
  return cycle.length > 0 ? `${from} → ${cycle.join(' → ')}` : `${from} → ${to} (${rule})`;
}

function looseTypes({ path, text }: Source): string[] {
  const count = countAny(text) + (text.match(DIRECTIVES)?.length ?? 0);
  return Array.from({ length: count }, () => path);
}

function everyPath(root: string): Promise<string[]> {
  return Promise.all([...PRODUCTION, 'test'].map((folder) => filesUnder(root, folder))).then((lists) => lists.flat());
}

/** Folders, and the file's name without its endings. */
export function hasBannedName(path: string): boolean {
  return path.split('/').some((part) => {
    const name = part.replace(/[.].*$/, '');
    return BANNED_WORDS.test(name) || BANNED_NAMES.test(name);
  });
}

/** Build scripts run before there is a configuration. */
function readsItself({ path, text }: Source): boolean {
  return path !== CONFIG && path.endsWith('.ts') && readsEnvironment(text);
}

function mayNotSleep({ path }: Source): boolean {
  return !MAY_SLEEP.test(path);
}

function inFile(find: (text: string) => string[]) {
  return ({ path, text }: Source): string[] => find(text).map((found) => `${path}: ${found}`);
}

function sizes(production: readonly Source[]): Figure[] {
  const lines = production.map(({ text }) => countLines(text)).sort((a, b) => a - b);
  const large = production.filter(({ text }) => countLines(text) > 300);
  return [
    { name: 'lines of the median source file', value: lines[Math.floor(lines.length / 2)] ?? 0, most: 100, places: [] },
    {
      name: 'lines of the largest source file',
      value: lines.at(-1) ?? 0,
      most: 300,
      places: large.map(({ path, text }) => `${path}: ${countLines(text)} lines`),
    },
  ];
}

async function entries(root: string): Promise<Figure> {
  const value = (await readdir(join(root, 'src'))).length;
  return { name: 'entries of src/', value, most: MOST_ENTRIES, places: [] };
}

/** `src/http/routes/jobs.ts` lies three folders deep. */
function depth(production: readonly Source[]): Figure {
  const folders = ({ path }: Source) => path.split('/').length - 1;
  const value = Math.max(0, ...production.map(folders));
  return { name: 'folder levels', value, most: 3, places: production.filter((s) => folders(s) > 3).map(pathOf) };
}

/** A run of one attempt that does not fit a screen is not read; a file that is gone fits no screen either. */
function screen(production: readonly Source[]): Figure {
  const file = production.find(({ path }) => path === RUN_JOB);
  const value = file === undefined ? Number.POSITIVE_INFINITY : longestFunction(file.text);
  return { name: `lines of the longest function of ${RUN_JOB}`, value, most: ONE_SCREEN, places: [] };
}
