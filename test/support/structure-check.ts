/**
 * `npm run check`: the structure figures as a table, with type check, lint and format as its last rows.
 *
 * Promises: every figure is printed, also when an earlier one does not hold; what breaks is listed under the table with
 * its places; exit code 1 when anything does.
 */

import { spawn } from 'node:child_process';
import { join, relative } from 'node:path';
import { type Figure, holds, measureStructure } from './structure.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Run a tool of the project; each line it prints that `toPlace` understands is a finding. */
async function tool(name: string, line: readonly [string, ...string[]], toPlace: (text: string) => string | undefined) {
  const [command, ...args] = line;
  const { code, output } = await run(join(ROOT, 'node_modules/.bin', command), args);
  const printed = output.split('\n');
  const places = printed.map(toPlace).filter((place) => place !== undefined);
  const silent = code !== 0 && places.length === 0;
  return { name, value: silent ? 1 : places.length, most: 0, places: silent ? printed : places } satisfies Figure;
}

function typeError(text: string): string | undefined {
  return /error TS\d+/.test(text) ? text : undefined;
}

function lintProblem(text: string): string | undefined {
  const parts = /^::(?:error|warning) title=([^,]+),file=([^,]+),line=(\d+),.*?::(.*)$/.exec(text);
  if (parts === null) return undefined;
  const [, rule, file = '', line, message] = parts;
  return `${relative(ROOT, file)}:${line} ${message} (${rule})`;
}

function run(file: string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, [...args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

function row(figure: Figure): string {
  const bound = figure.most === 0 ? '0' : `≤ ${figure.most}`;
  return `  ${holds(figure) ? '✓' : '✗'} ${figure.name.padEnd(58)} ${String(figure.value).padStart(6)}   ${bound}`;
}

/** A file that does not parse can only be told of: its figures have no value. */
async function structure(): Promise<Figure[]> {
  try {
    return await measureStructure(ROOT);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return [{ name: 'figures that could not be taken', value: 1, most: 0, places: text.split('\n') }];
  }
}

const [figures, types, lint] = await Promise.all([
  structure(),
  tool('type errors', ['tsc', '--noEmit', '--pretty', 'false'], typeError),
  tool('lint and format problems', ['biome', 'ci', '--reporter=github', '--max-diagnostics=none', '.'], lintProblem),
]);
const all = [...figures, types, lint];
const broken = all.filter((figure) => !holds(figure));

const lines = [
  `  ${'  structure'.padEnd(60)} ${'is'.padStart(6)}   must be`,
  ...all.map(row),
  ...broken.flatMap(({ name, places }) => ['', `✗ ${name}:`, ...places.map((place) => `    ${place}`)]),
  '',
  `check: ${all.length - broken.length} passed, ${broken.length} failed`,
];
process.stdout.write(`${lines.join('\n')}\n`);
process.exitCode = broken.length === 0 ? 0 : 1;
