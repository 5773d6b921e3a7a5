/**
 * The user that PostgreSQL runs as. It refuses to run as root, so as root it gets a user of its own.
 *
 * Promises: when we are not root nothing is created and PostgreSQL runs as we do; as root the user `millrace` is made
 * once, without a home or a login. Where no user can be made, an existing `postgres` serves.
 */

import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../errors.ts';
import { pause } from '../lifecycle.ts';

const run = promisify(execFile);

const NAME = 'millrace';
const COMMAND_MS = 10_000;
const TRIES = 5;

/** A numeric user and group. */
export interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

/** Are we root? Never on Windows. */
export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** The user for PostgreSQL; undefined when it can run as we do. */
export async function postgresUser(): Promise<SystemUser | undefined> {
  if (!isRoot()) return undefined;
  let reason = '';
  for (let attempt = 1; attempt <= TRIES; attempt++) {
    const user = await findUser(NAME);
    if (user !== undefined) return user;
    try {
      await run('useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', NAME], {
        timeout: COMMAND_MS,
      });
    } catch (error) {
      // Another start may be making it at this moment, and holds the lock of the password file.
      reason = messageOf(error);
      await pause(200);
    }
  }
  const other = (await findUser(NAME)) ?? (await findUser('postgres'));
  if (other !== undefined) return other;
  throw new Error(`PostgreSQL does not run as root, and the user "${NAME}" could not be made: ${reason}`);
}

async function findUser(name: string): Promise<SystemUser | undefined> {
  try {
    const [uid, gid] = await Promise.all([
      run('id', ['-u', name], { timeout: COMMAND_MS }),
      run('id', ['-g', name], { timeout: COMMAND_MS }),
    ]);
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    // `id` ends with 1 when there is no such user.
    return undefined;
  }
}

/** May every user of this machine enter this folder, and so use what in it is open to all? */
export async function isOpenToAll(folder: string): Promise<boolean> {
  await access(folder, constants.F_OK);
  for (let at = folder; ; at = dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}
