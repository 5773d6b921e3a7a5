/**
 * Builds `dist`: TypeScript compiled, every other file of the sources copied beside it. With `--if-changed` it does
 * nothing when `dist` was built from the same sources. Plain JavaScript, for it runs before there is anything else.
 *
 * Promises: a build that fails leaves the earlier `dist` as it was; a file removed from the sources is gone from `dist`.
 */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const dist = join(root, 'dist');
const stampFile = 'build-stamp.txt';
const folders = ['src', 'workers', 'jobs'];
const settings = ['tsconfig.json', 'tsconfig.build.json', 'package.json', 'package-lock.json'];
const tries = 20;

const sources = folders.flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort(),
);

const stamp = stampOf([...settings, ...sources]);
if (!process.argv.includes('--if-changed') || readStamp() !== stamp) build();

/** Build into a folder beside `dist`, then let the two change places. */
function build() {
  removeOldDrafts();
  const draft = join(root, `dist-${process.pid}`);
  console.error('Building …');
  try {
    compile(draft);
    for (const source of sources.filter((path) => !/\.(ts|mjs)$/.test(path))) {
      mkdirSync(dirname(join(draft, source)), { recursive: true });
      copyFileSync(join(root, source), join(draft, source));
    }
    writeFileSync(join(draft, stampFile), stamp);
    swap(draft);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

function compile(outDir) {
  const manifest = createRequire(import.meta.url).resolve('typescript/package.json');
  const compiler = join(dirname(manifest), JSON.parse(readFileSync(manifest, 'utf8')).bin.tsc);
  const args = [compiler, '-p', join(root, 'tsconfig.build.json'), '--outDir', outDir];
  const { status, error } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', timeout: 300_000 });
  if (error !== undefined) throw error;
  if (status !== 0) {
    console.error('The build failed; dist is as it was.');
    rmSync(outDir, { recursive: true, force: true });
    process.exit(1);
  }
}

/** Another build may do the same at this moment: the last one wins. */
function swap(draft) {
  const old = join(root, `dist-${process.pid}-old`);
  for (let attempt = 1; ; attempt++) {
    try {
      renameIfThere(dist, old);
      renameSync(draft, dist);
      break;
    } catch (error) {
      if (attempt === tries || !['ENOTEMPTY', 'EEXIST'].includes(error.code)) throw error;
    } finally {
      rmSync(old, { recursive: true, force: true });
    }
  }
}

function renameIfThere(from, to) {
  try {
    renameSync(from, to);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
}

/** What builds that were killed have left. */
function removeOldDrafts() {
  for (const name of readdirSync(root)) {
    const pid = /^dist-(\d+)(-old)?$/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(root, name), { recursive: true, force: true });
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code !== 'ESRCH';
  }
}

function stampOf(paths) {
  const hash = createHash('sha256');
  for (const path of paths) {
    const bytes = readFileSync(join(root, path));
    hash.update(`${path}\n${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex');
}

function readStamp() {
  try {
    return readFileSync(join(dist, stampFile), 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}
