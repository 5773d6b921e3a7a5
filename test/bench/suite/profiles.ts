/**
 * Where our processes spend their time: Node's own sampling profiler over a whole case, summed up by function.
 *
 * Profiling costs a few percent and includes the warm-up: figures of such a run are not for comparing.
 */

import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}
interface Profile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const TOP = 40;
/** Microseconds of the beginning that are left out: loading is another question. */
const LOADING_US = 3_000_000;
/** Microseconds that one sample may stand for: a process that was frozen has not worked meanwhile. */
const LONGEST_US = 3000;
const NOT_WORK = new Set(['(idle)', '(root)']);

/** Arguments of Node for a process that is to be profiled; it writes its profile when it ends. */
export function profiling(folder: string, name: string): string[] {
  return ['--cpu-prof', `--cpu-prof-dir=${join(folder, 'profiles', name)}`];
}

/** The functions that took most time themselves, for every profile under the run's folder. */
export async function profileReport(folder: string): Promise<string> {
  const parent = join(folder, 'profiles');
  const names = await readdir(parent).catch(() => []);
  const parts: string[] = [];
  for (const name of names.sort()) {
    for (const file of (await readdir(join(parent, name))).sort()) {
      const profile = JSON.parse(await readFile(join(parent, name, file), 'utf8')) as Profile;
      parts.push(`### Profile of ${name}`, '', ...summary(profile, folder), '');
    }
  }
  return `${parts.join('\n')}\n`;
}

function summary({ nodes, samples, timeDeltas }: Profile, folder: string): string[] {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const byFunction = new Map<string, number>();
  const byPlace = new Map<string, number>();
  let busy = 0;
  let atUs = 0;
  for (const [n, id] of samples.entries()) {
    const frame = frames.get(id);
    const us = Math.min(timeDeltas[n] ?? 0, LONGEST_US);
    atUs += timeDeltas[n] ?? 0;
    if (atUs < LOADING_US || frame === undefined || NOT_WORK.has(frame.functionName)) continue;
    busy += us;
    const place = placeOf(frame.url, folder);
    add(byPlace, place.replace(/^(node_modules\/(@[^/]+\/)?[^/]+).*/, '$1').replace(/^node:.*/, 'node'), us);
    add(byFunction, `${frame.functionName || '(anonymous)'}  ${place}:${frame.lineNumber + 1}`, us);
  }
  const lines = (sums: Map<string, number>) =>
    [...sums]
      .sort(([, a], [, b]) => b - a)
      .slice(0, TOP)
      .map(([name, us]) => `${((us / busy) * 100).toFixed(1).padStart(6)} %  ${name}`);
  return [
    'By file or package:',
    '',
    '```',
    ...lines(byPlace),
    '```',
    '',
    'By function:',
    '',
    '```',
    ...lines(byFunction),
    '```',
  ];
}

function add(sums: Map<string, number>, name: string, us: number): void {
  sums.set(name, (sums.get(name) ?? 0) + us);
}

function placeOf(url: string, folder: string): string {
  if (url === '') return 'native';
  if (!url.startsWith('file:')) return url.replace(/^.*\/node_modules\//, 'node_modules/');
  const path = fileURLToPath(url);
  return /node_modules\//.test(path) ? path.replace(/^.*node_modules\//, 'node_modules/') : relative(folder, path);
}
