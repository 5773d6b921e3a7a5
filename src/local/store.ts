/**
 * What the private stores have in common: a running one, its folder's secret and port, and the start of its program.
 *
 * Promises: a store runs in a process group of its own, so that Ctrl-C in a terminal does not reach it; what it prints
 * goes to a file in its folder, so that it does not depend on us to go on; its password and port outlive a restart.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Deadline } from '../lifecycle.ts';
import { readJson, writeJson } from './json-file.ts';
import type { Run } from './keeper.ts';
import { endProcess, isRunning } from './processes.ts';

/** A private store that answers. */
export interface RunningStore extends Run {
  /** `redis://…` or `postgres://…`, with its password. */
  readonly url: string;
  readonly port: number;
}

const accessSchema = z.object({
  password: z.string().min(1),
  /** The port it had last; it gets the same one again when that is free. */
  port: z.int().optional(),
});

/** What opens a store: kept beside its data, readable by its owner only. */
export type Access = z.output<typeof accessSchema>;

/** As `Access`, once a port is chosen. */
export interface OpenAccess extends Access {
  readonly port: number;
}

const ACCESS_FILE = 'access.json';

/** Read the folder's access file, or make a password when there is none. */
export async function readAccess(folder: string): Promise<Access> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const read = accessSchema.optional().parse(await readJson(join(folder, ACCESS_FILE)));
  return read ?? { password: randomBytes(18).toString('base64url') };
}

/** Remember how to open the store in this folder. */
export function writeAccess(folder: string, access: Access): Promise<void> {
  return writeJson(join(folder, ACCESS_FILE), access);
}

export interface SpawnOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** File that gets what the program prints; emptied first. */
  readonly logFile: string;
  /** User and group to run as; ours unless told. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
}

/** Start a store's program in a process group of its own. */
export function spawnStore({ program, args, cwd, logFile, user }: SpawnOptions): ChildProcess {
  const log = openSync(logFile, 'w', 0o600);
  try {
    return spawn(program, args, {
      cwd,
      detached: true,
      stdio: ['ignore', log, log],
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      ...user,
    });
  } finally {
    closeSync(log);
  }
}

/** Resolves with the reason when the child has ended or could not be started. */
export function whenEnded(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.once('exit', (code, name) => resolve(name === null ? `exit code ${code}` : `signal ${name}`));
  });
}

/** End a store's process and wait until it is gone; it is killed at the deadline. */
export async function stopStore(pid: number, name: NodeJS.Signals, deadline: Deadline, ended: Promise<string>) {
  if (!isRunning(pid)) return;
  await endProcess(pid, name, deadline);
  await ended;
}

/** The last lines of a store's log, for an error message. */
export async function lastLines(file: string, count = 12): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trimEnd().split('\n').slice(-count).join('\n');
  } catch (error) {
    return `(${error instanceof Error ? error.message : String(error)})`;
  }
}
