/**
 * A private PostgreSQL in a folder, for `npm start` and the tests.
 *
 * Promises: it listens on loopback only and asks for a password; as root it runs as a user of its own, so the folder
 * must be one that this user can reach; a server that an earlier, killed run left behind in the folder is ended first.
 * We drive `initdb` and `postgres` ourselves: the package's own class can neither take over nor end such an orphan.
 */

import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../errors.ts';
import { Deadline, pause } from '../lifecycle.ts';
import { isFile } from '../providers/search-path.ts';
import { freePort, LOOPBACK } from './ports.ts';
import { findPostgres, type PostgresPrograms } from './postgres-programs.ts';
import { isOpenToAll, postgresUser, type SystemUser } from './postgres-user.ts';
import { commandLine, endProcess, isRunning, signal } from './processes.ts';
import {
  lastLines,
  type OpenAccess,
  type RunningStore,
  readAccess,
  spawnStore,
  stopStore,
  whenEnded,
  writeAccess,
} from './store.ts';

const run = promisify(execFile);

export interface PostgresOptions {
  /** Folder of its data, password, log and maybe programs; made when missing. Nobody else's. */
  readonly folder: string;
  /** Port on loopback. Unset: the one it had last, or any free one. */
  readonly port?: number;
  /** More settings, such as `{ fsync: 'off' }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** More flags for `initdb`, such as `--no-sync`. */
  readonly initFlags?: readonly string[];
}

const OWNER = 'millrace';
const DATABASE = 'postgres';
const INIT_MS = 60_000;
const START_MS = 30_000;
const ORPHAN_MS = 10_000;
const TRIES = 4;

/** Start a PostgreSQL and resolve once it accepts connections. Throws with the end of its log when it does not. */
export async function startPostgres(options: PostgresOptions): Promise<RunningStore> {
  const { folder } = options;
  const access = await readAccess(folder);
  const data = join(folder, 'data');
  const user = await prepareFolder(folder, data);
  const programs = await findPostgres(folder, user);
  if (!(await isFile(join(data, 'PG_VERSION')))) await initialise(programs, options, access.password, user);
  await endPostgresOrphan(folder);
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort(attempt === 1 ? access.port : undefined));
    await writeAccess(folder, { password: access.password, port });
    const started = await tryStart(options, programs, user, { password: access.password, port });
    if (typeof started !== 'string') return started;
    // After a kill -9 its children may hold the shared memory for a moment longer; and a port may be lost to a race.
    const passing = /pre-existing shared memory block|Address already in use|could not bind/.test(started);
    if (!passing || attempt === TRIES) throw new Error(`PostgreSQL (${programs.postgres}) did not start:\n${started}`);
    await pause(300);
  }
}

/** Make the folder one that PostgreSQL's user can enter, and tell which user that is. */
async function prepareFolder(folder: string, data: string): Promise<SystemUser | undefined> {
  const user = await postgresUser();
  if (user === undefined) return undefined;
  await chmod(folder, 0o711);
  if (!(await isOpenToAll(folder))) {
    throw new Error(
      `PostgreSQL does not run as root, and its own user cannot enter ${folder}: a folder above is closed.`,
    );
  }
  // An existing cluster goes on as the user that owns it.
  const owner = await stat(data).catch(() => undefined);
  return owner === undefined || owner.uid === 0 ? user : { uid: owner.uid, gid: owner.gid };
}

/** Make an empty cluster. It gets its name when it is whole, so that a kill half-way leaves nothing that looks like one. */
async function initialise(
  { initdb }: PostgresPrograms,
  { folder, initFlags = [] }: PostgresOptions,
  password: string,
  user: SystemUser | undefined,
): Promise<void> {
  const draft = join(folder, 'data.new');
  const passwordFile = join(folder, 'password.new');
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (user !== undefined) await Promise.all([draft, passwordFile].map((path) => chown(path, user.uid, user.gid)));
  const flags = [`--pgdata=${draft}`, `--username=${OWNER}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256'];
  try {
    await run(initdb, [...flags, '--encoding=UTF8', '--locale=C', ...initFlags], {
      timeout: INIT_MS,
      cwd: folder,
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      ...user,
    });
    await rename(draft, join(folder, 'data'));
  } catch (error) {
    throw new Error(`initdb failed: ${messageOf(error)}`, { cause: error });
  } finally {
    await rm(passwordFile, { force: true });
  }
}

/** One try; the store, or why not. */
async function tryStart(
  { folder, settings = {} }: PostgresOptions,
  { postgres }: PostgresPrograms,
  user: SystemUser | undefined,
  { port, password }: OpenAccess,
): Promise<RunningStore | string> {
  const data = join(folder, 'data');
  const logFile = join(folder, 'postgres.log');
  const all = { listen_addresses: LOOPBACK, unix_socket_directories: '', max_connections: '200', ...settings };
  const flags = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const child = spawnStore({
    program: postgres,
    args: ['-D', data, '-p', String(port), ...flags],
    cwd: folder,
    logFile,
    user,
  });
  const ended = whenEnded(child);
  const { pid } = child;
  if (pid === undefined) return ended;
  child.unref();
  const over = new AbortController();
  void ended.then(() => over.abort());
  const deadline = Deadline.in(START_MS);
  while (!(await isReady(data, pid))) {
    if (over.signal.aborted || deadline.leftMs === 0) {
      await stopStore(pid, 'SIGQUIT', Deadline.in(2000), ended);
      return lastLines(logFile);
    }
    await pause(10, over.signal);
  }
  return {
    url: `postgres://${OWNER}:${password}@${LOOPBACK}:${port}/${DATABASE}`,
    port,
    pid,
    ended,
    // SIGINT is PostgreSQL's "fast": it ends connections and stops. SIGQUIT: it stops at once, and recovers at start.
    stop: (until) => stopStore(pid, 'SIGINT', until, ended),
    kill: () => void signal(pid, 'SIGQUIT'),
  };
}

/** Lines of `postmaster.pid`: process, data folder, start, port, socket folder, address, memory, status. */
async function readPidFile(data: string): Promise<{ pid: number; status: string } | undefined> {
  const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '');
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  return Number.isInteger(pid) && pid > 0 ? { pid, status: (lines[7] ?? '').trim() } : undefined;
}

async function isReady(data: string, pid: number): Promise<boolean> {
  const file = await readPidFile(data);
  return file?.pid === pid && file.status === 'ready';
}

/** End the server that an earlier run left behind in this folder; forget a number that is another program's by now. */
export async function endPostgresOrphan(folder: string): Promise<void> {
  const data = join(folder, 'data');
  const file = await readPidFile(data);
  if (file === undefined) return;
  if (isRunning(file.pid) && commandLine(file.pid).includes(data)) {
    await endProcess(file.pid, 'SIGINT', Deadline.in(ORPHAN_MS));
  }
  await rm(join(data, 'postmaster.pid'), { force: true });
}
