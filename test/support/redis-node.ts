/**
 * One server of a Redis topology: a data server or a Sentinel, each in a temporary folder of its own.
 *
 * Promises: what `stores.ts` promises of its stores: each can be stopped, frozen, killed and started again on the same
 * port and folder, and what a killed run left behind is ended and removed by the next one.
 */

import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { Deadline, pause } from '../../src/lifecycle.ts';
import { answers, freePort, isTaken, LOOPBACK } from '../../src/local/ports.ts';
import { endProcess, signal } from '../../src/local/processes.ts';
import { startRedis } from '../../src/local/redis.ts';
import {
  lastLines,
  type RunningStore,
  readAccess,
  spawnStore,
  stopStore,
  whenEnded,
  writeAccess,
} from '../../src/local/store.ts';
import { type PrivateStore, redisProgram, temporaryFolder } from './stores.ts';

export interface RedisNode extends PrivateStore {
  /** Everything the server has logged since it was started last. */
  log(): Promise<string>;
  /** A connection of the test's own for as long as `work` runs. */
  with<T>(work: (client: Redis) => Promise<T>): Promise<T>;
}

const STOP_MS = 5000;
const START_MS = 15_000;
/** A Cluster's nodes speak to each other on their port plus this. */
const BUS_OFFSET = 10_000;

/** Start a data server: a queue Redis with these settings besides. */
export async function startDataNode({
  password,
  port,
  settings,
}: {
  password: string;
  port: number;
  settings: readonly string[];
}) {
  const program = await redisProgram();
  return keepNode(password, port, (folder) => startRedis({ program, folder, kind: 'queue', port, settings }));
}

/** Start a Sentinel with these lines of configuration. */
export async function startSentinelNode({
  password,
  port,
  settings,
}: {
  password: string;
  port: number;
  settings: readonly string[];
}) {
  const program = await redisProgram();
  return keepNode(password, port, (folder) => startSentinel(program, folder, { password, port, settings }));
}

/** A free port on loopback whose neighbour for the Cluster's own talk is free too. */
export async function freeClusterPort(): Promise<number> {
  for (;;) {
    const port = BUS_OFFSET + Math.floor(Math.random() * 15_000);
    if (!(await isTaken(port)) && !(await isTaken(port + BUS_OFFSET))) return port;
  }
}

export { freePort };

/** Ask until the answer is right. Throws with the last answer after `ms`. */
export async function settles<T>(
  what: string,
  ms: number,
  ask: () => Promise<T>,
  right: (answer: T) => boolean,
): Promise<T> {
  const deadline = Deadline.in(ms);
  for (;;) {
    const answer = await ask();
    if (right(answer)) return answer;
    if (deadline.leftMs === 0) throw new Error(`After ${ms} ms ${what} is still ${JSON.stringify(answer)}`);
    await pause(50);
  }
}

async function keepNode(
  password: string,
  port: number,
  start: (folder: string) => Promise<RunningStore>,
): Promise<RedisNode> {
  const parent = await temporaryFolder();
  // The name under which the next run looks for what a killed one has left.
  const folder = join(parent, 'redis');
  await readAccess(folder);
  await writeAccess(folder, { password, port });
  let store = await start(folder);
  return {
    url: `redis://:${password}@${LOOPBACK}:${port}`,
    port,
    pid: () => store.pid,
    pause: () => void signal(store.pid, 'SIGSTOP'),
    resume: () => void signal(store.pid, 'SIGCONT'),
    kill: async () => {
      await endProcess(store.pid, 'SIGKILL', Deadline.in(STOP_MS));
      await store.ended;
    },
    restart: async () => {
      signal(store.pid, 'SIGCONT');
      await store.stop(Deadline.in(STOP_MS));
      store = await start(folder);
    },
    stop: async () => {
      // A master that is asked politely waits for its replicas.
      await endProcess(store.pid, 'SIGKILL', Deadline.in(STOP_MS));
      await store.ended;
      await rm(parent, { recursive: true, force: true });
    },
    log: () => readFile(join(folder, 'redis.log'), 'utf8'),
    with: async (work) => {
      const client = new Redis({
        host: LOOPBACK,
        port,
        password,
        retryStrategy: null,
        connectTimeout: 2000,
        commandTimeout: 5000,
      });
      client.on('error', () => {
        // The command that was under way rejects with it.
      });
      try {
        return await work(client);
      } finally {
        client.disconnect();
      }
    },
  };
}

interface SentinelOptions {
  readonly password: string;
  readonly port: number;
  readonly settings: readonly string[];
}

async function startSentinel(
  program: string,
  folder: string,
  { password, port, settings }: SentinelOptions,
): Promise<RunningStore> {
  const configuration = join(folder, 'redis.conf');
  const logFile = join(folder, 'redis.log');
  const lines = [
    `bind ${LOOPBACK}`,
    `port ${port}`,
    `requirepass ${password}`,
    `sentinel sentinel-pass ${password}`,
    `dir ${JSON.stringify(folder)}`,
    `pidfile ${JSON.stringify(join(folder, 'redis.pid'))}`,
    'daemonize no',
    ...settings,
  ];
  await writeFile(configuration, `${lines.join('\n')}\n`, { mode: 0o600 });
  const child = spawnStore({ program, args: [configuration, '--sentinel'], cwd: folder, logFile });
  const ended = whenEnded(child);
  const { pid } = child;
  if (pid === undefined) throw new Error(`The Sentinel did not start: ${await ended}`);
  child.unref();
  const deadline = Deadline.in(START_MS);
  while (!(await answers(port, LOOPBACK, 500))) {
    if (deadline.leftMs === 0) {
      await stopStore(pid, 'SIGKILL', Deadline.in(STOP_MS), ended);
      throw new Error(`The Sentinel did not start:\n${await lastLines(logFile)}`);
    }
    await pause(20);
  }
  return {
    url: `redis://:${password}@${LOOPBACK}:${port}`,
    port,
    pid,
    ended,
    stop: (until) => stopStore(pid, 'SIGTERM', until, ended),
    kill: () => void signal(pid, 'SIGKILL'),
  };
}
