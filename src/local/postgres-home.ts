/**
 * The folder of PostgreSQL's data: inside the data folder, or as root one that PostgreSQL's own user can enter.
 *
 * Promises: as root it is `/var/lib/millrace/<hash of the data folder's path>`, and `postgres` in the data folder is a
 * link to it. Whoever removes the data folder starts afresh: what an earlier one left under the same name is set aside
 * (one generation is kept as `<hash>.previous`), not taken over.
 */

import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, readlink, realpath, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { endPostgresOrphan } from './postgres.ts';
import { isRoot } from './postgres-user.ts';

const ROOT_HOMES = '/var/lib/millrace';

export interface HomeOptions {
  /** Folder of the homes that are outside; `/var/lib/millrace` unless told. */
  readonly homes?: string;
  /** Must another user be able to enter it? Yes when we are root. */
  readonly outside?: boolean;
}

/** The folder to give to `startPostgres`. */
export async function postgresHome(
  dataDir: string,
  { homes = ROOT_HOMES, outside = isRoot() }: HomeOptions = {},
): Promise<string> {
  const inside = join(dataDir, 'postgres');
  const existing = await lstat(inside).catch(() => undefined);
  if (!outside || existing?.isDirectory() === true) return inside;
  const home = existing === undefined ? await newHome(inside, dataDir, homes) : await readlink(inside);
  await mkdir(home, { recursive: true });
  await Promise.all([dirname(home), home].map((folder) => chmod(folder, 0o711)));
  return home;
}

async function newHome(inside: string, dataDir: string, homes: string): Promise<string> {
  const hash = createHash('sha256')
    .update(await realpath(dataDir))
    .digest('hex')
    .slice(0, 16);
  const home = join(homes, hash);
  await setAside(home);
  await mkdir(home, { recursive: true });
  await symlink(home, inside);
  return home;
}

async function setAside(home: string): Promise<void> {
  if ((await lstat(home).catch(() => undefined)) === undefined) return;
  await endPostgresOrphan(home);
  await rm(`${home}.previous`, { recursive: true, force: true });
  await rename(home, `${home}.previous`);
}
