/**
 * What the bench runs: the service, its own actors and jobs, and the peers, compiled into a folder of this run.
 *
 * Promises: one run measures one build, whoever edits the sources meanwhile; folders that killed runs have left are
 * removed by the next one. Peers are installed once, beside it, and again when their package.json changes; a peer that
 * cannot be installed is told of and left out.
 */

import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { messageOf } from '../../../src/errors.ts';
import { isRunning } from '../../../src/local/processes.ts';

const run = promisify(execFile);

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const HOME = join(ROOT, 'dist-bench');
const PEERS = join(HOME, 'peers');
const MANIFEST = join(ROOT, 'test/bench/peers/package.json');
const BUILD_MS = 120_000;
const INSTALL_MS = 180_000;

export interface Build {
  /** Holds `src`, `workers`, `jobs` and `test/bench`, compiled. Absolute. */
  readonly folder: string;
  /** Why there are no peers; undefined when there are. */
  readonly withoutPeers: string | undefined;
  remove(): void;
}

/** Compile everything. Throws with what the compiler says. */
export async function buildAll(say: (line: string) => void): Promise<Build> {
  sweep();
  const folder = join(HOME, `run-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    say('building');
    await compile(folder);
    for (const part of ['src', 'workers', 'jobs']) {
      cpSync(join(ROOT, part), join(folder, part), { recursive: true, filter: (path) => !/\.(ts|mjs)$/.test(path) });
    }
    const withoutPeers = await installPeers(say);
    if (withoutPeers === undefined) {
      symlinkSync(join(PEERS, 'node_modules'), join(folder, 'test/bench/peers/node_modules'));
    }
    return { folder, withoutPeers, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

async function compile(folder: string): Promise<void> {
  const include = ['src', 'workers', 'jobs', 'test/bench/jobs', 'test/bench/peers', 'test/bench/suite/actors'];
  const project = join(folder, 'tsconfig.json');
  writeFileSync(
    project,
    JSON.stringify({
      extends: join(ROOT, 'tsconfig.build.json'),
      compilerOptions: { rootDir: ROOT, outDir: folder, sourceMap: true },
      include: include.map((each) => join(ROOT, each)),
      exclude: ['**/node_modules'],
    }),
  );
  try {
    await run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', project], { cwd: ROOT, timeout: BUILD_MS });
  } catch (error) {
    const printed = error instanceof Error && 'stdout' in error ? String(error.stdout) : '';
    throw new Error(`The build failed.\n${printed || messageOf(error)}`, { cause: error });
  }
}

/** Why they could not be installed; undefined when they are there. */
async function installPeers(say: (line: string) => void): Promise<string | undefined> {
  const wanted = readFileSync(MANIFEST, 'utf8');
  const mark = join(PEERS, 'installed.json');
  try {
    if (readFileSync(mark, 'utf8') === wanted) return undefined;
  } catch {
    // Never installed.
  }
  say('installing the peers');
  try {
    rmSync(PEERS, { recursive: true, force: true });
    mkdirSync(PEERS, { recursive: true });
    writeFileSync(join(PEERS, 'package.json'), wanted);
    await run('npm', ['install', '--no-audit', '--no-fund'], { cwd: PEERS, timeout: INSTALL_MS });
    writeFileSync(mark, wanted);
    return undefined;
  } catch (error) {
    return `The peers could not be installed: ${messageOf(error).split('\n')[0]}`;
  }
}

function sweep(): void {
  mkdirSync(HOME, { recursive: true });
  for (const name of readdirSync(HOME)) {
    const pid = /^run-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(HOME, name), { recursive: true, force: true });
  }
}
