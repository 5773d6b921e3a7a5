/**
 * A private Redis (or Valkey) in a folder, for `npm start` and the tests.
 *
 * Promises: it listens on loopback only and asks for a password; a server that an earlier, killed run left behind in
 * the folder is ended first, so that no two ever share one folder; data of the queue role survives a restart. A Redis
 * that somebody else runs is never touched.
 */

import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, join } from 'node:path';
import { Deadline, pause } from '../lifecycle.ts';
import { freePort, LOOPBACK } from './ports.ts';
import { commandLine, endProcess, signal } from './processes.ts';
import {
  type Access,
  lastLines,
  type OpenAccess,
  type RunningStore,
  readAccess,
  spawnStore,
  stopStore,
  whenEnded,
  writeAccess,
} from './store.ts';

/** `queue` loses nothing and evicts nothing; `cache` keeps nothing and evicts what was used least. */
export type RedisKind = 'queue' | 'cache';

export interface RedisOptions {
  /** The program: an absolute path, or a name on PATH. */
  readonly program: string;
  /** Folder of its data, configuration and log; made when missing. Nobody else's. */
  readonly folder: string;
  readonly kind: RedisKind;
  /** Port on loopback. Unset: the one it had last, or any free one. */
  readonly port?: number;
  /** More lines for its configuration, such as `databases 64`. */
  readonly settings?: readonly string[];
}

const SETTINGS = {
  // The last one halves the memory of a waiting job, at no cost: its hash stays one block up to 1 KB a field.
  queue: [
    'maxmemory-policy noeviction',
    'appendonly yes',
    'appendfsync everysec',
    'save ""',
    'hash-max-listpack-value 1024',
  ],
  cache: ['maxmemory 256mb', 'maxmemory-policy allkeys-lru', 'appendonly no', 'save ""'],
} as const satisfies Record<RedisKind, readonly string[]>;

const START_MS = 15_000;
const ORPHAN_MS = 10_000;
const TRIES = 3;

/** Start a Redis and resolve once it answers, its data loaded. Throws with the end of its log when it does not. */
export async function startRedis(options: RedisOptions): Promise<RunningStore> {
  const access = await readAccess(options.folder);
  await endOrphan(options.folder, access);
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort(attempt === 1 ? access.port : undefined));
    await writeAccess(options.folder, { password: access.password, port });
    const started = await tryStart(options, { password: access.password, port });
    if (typeof started !== 'string') return started;
    const lostPort = /Address already in use/.test(started) && options.port === undefined;
    if (!lostPort || attempt === TRIES) {
      throw new Error(`The ${options.kind} Redis (${options.program}) did not start:\n${started}`);
    }
  }
}

/** One try; the store, or why not. */
async function tryStart(options: RedisOptions, access: OpenAccess): Promise<RunningStore | string> {
  const { folder, program } = options;
  const logFile = join(folder, 'redis.log');
  const configuration = join(folder, 'redis.conf');
  await writeFile(configuration, configure(options, access), { mode: 0o600 });
  const child = spawnStore({ program, args: [configuration], cwd: folder, logFile });
  const ended = whenEnded(child);
  const { pid } = child;
  if (pid === undefined) return ended;
  child.unref();
  const over = new AbortController();
  void ended.then(() => over.abort());
  const deadline = Deadline.in(START_MS);
  while (!(await pings(access))) {
    if (over.signal.aborted || deadline.leftMs === 0) {
      await stopStore(pid, 'SIGKILL', Deadline.in(1000), ended);
      return lastLines(logFile);
    }
    await pause(10, over.signal);
  }
  return {
    url: `redis://:${access.password}@${LOOPBACK}:${access.port}`,
    port: access.port,
    pid,
    ended,
    stop: (until) => stopStore(pid, 'SIGTERM', until, ended),
    kill: () => void signal(pid, 'SIGKILL'),
  };
}

function configure({ folder, kind, settings = [] }: RedisOptions, { password, port }: OpenAccess): string {
  const lines = [
    '# Written at each start. Change nothing here.',
    `bind ${LOOPBACK}`,
    `port ${port}`,
    `requirepass ${password}`,
    `dir ${JSON.stringify(folder)}`,
    `pidfile ${JSON.stringify(pidFile(folder))}`,
    'daemonize no',
    ...SETTINGS[kind],
    ...settings,
  ];
  return `${lines.join('\n')}\n`;
}

const pidFile = (folder: string) => join(folder, 'redis.pid');

/** End the server that an earlier run left behind in this folder, if there is one. */
export async function endRedisOrphan(folder: string): Promise<void> {
  await endOrphan(folder, await readAccess(folder));
}

async function endOrphan(folder: string, access: Access): Promise<void> {
  const pid = Number(await readFile(pidFile(folder), 'utf8').catch(() => ''));
  if (!Number.isInteger(pid) || pid <= 0) return;
  // Redis shows "redis-server 127.0.0.1:6379", or before that the path of its configuration.
  const line = commandLine(pid);
  const isOurs = line.includes(join(folder, 'redis.conf')) || line.includes(`${LOOPBACK}:${access.port}`);
  if (isOurs && /redis|valkey/.test(basename(line.split(' ')[0] ?? ''))) {
    await endProcess(pid, 'SIGTERM', Deadline.in(ORPHAN_MS));
  }
}

/** Does it answer +PONG to our password? While it loads its data it does not. */
function pings({ port, password }: OpenAccess): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: LOOPBACK });
    let answer = '';
    const done = () => {
      socket.destroy();
      resolve(answer.includes('+PONG'));
    };
    socket.setTimeout(1000, done);
    socket.once('connect', () => socket.write(`AUTH ${password}\r\nPING\r\n`));
    socket.on('data', (bytes) => {
      answer += bytes.toString('latin1');
      if (answer.split('\r\n').length > 2) done();
    });
    socket.once('error', done);
    socket.once('end', done);
  });
}
