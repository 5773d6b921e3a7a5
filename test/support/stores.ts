/**
 * Real stores for the tests. As vitest's global setup: one queue Redis, one cache Redis and one PostgreSQL for the
 * whole run, in a temporary folder. For a test that breaks things: a Redis or PostgreSQL of its own.
 *
 * Promises: nothing of a run is left behind, also after a run that was killed (the next one cleans up after it).
 */

import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { z } from 'zod';
import { Deadline } from '../../src/lifecycle.ts';
import { readJson, writeJson } from '../../src/local/json-file.ts';
import { endPostgresOrphan, startPostgres } from '../../src/local/postgres.ts';
import { isOpenToAll, isRoot } from '../../src/local/postgres-user.ts';
import { endProcess, identify, isSameProcess, signal } from '../../src/local/processes.ts';
import { ensureProgram, REDIS_SERVER } from '../../src/local/programs.ts';
import { endRedisOrphan, type RedisKind, startRedis } from '../../src/local/redis.ts';
import type { RunningStore } from '../../src/local/store.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    REDIS_URL: string;
    REDIS_CACHE_URL: string;
    DATABASE_URL: string;
  }
}

const STOP_MS = 5000;
const FOLDER_PREFIX = 'millrace-test-';
/** Each world of a test has a Redis database of its own: enough for every test file. */
const REDIS_SETTINGS = ['databases 10000'];
/** A test's PostgreSQL need not survive a power cut. */
const POSTGRES_SETTINGS = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };

interface SharedStores {
  readonly folder: string;
  readonly redis: RunningStore;
  readonly cache: RunningStore;
  readonly postgres: RunningStore;
}

/** Vitest calls the setup once for each project and loads it each time anew: they meet here. */
interface Meeting {
  users: number;
  stores: Promise<SharedStores>;
}
const meetingPlace = globalThis as typeof globalThis & { millraceTestStores?: Meeting };

/** Vitest's global setup. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  meetingPlace.millraceTestStores ??= { users: 0, stores: startSharedStores() };
  const meeting = meetingPlace.millraceTestStores;
  meeting.users += 1;
  const stores = await meeting.stores;
  project.provide('REDIS_URL', stores.redis.url);
  project.provide('REDIS_CACHE_URL', stores.cache.url);
  project.provide('DATABASE_URL', stores.postgres.url);
  return async () => {
    meeting.users -= 1;
    if (meeting.users > 0) return;
    delete meetingPlace.millraceTestStores;
    await stopAll(stores.folder, [stores.redis, stores.cache, stores.postgres]);
  };
}

async function startSharedStores(): Promise<SharedStores> {
  await sweep();
  const folder = await temporaryFolder();
  const program = await redisProgram();
  const [redis, cache, postgres] = await Promise.all([
    startRedis({ program, folder: join(folder, 'redis'), kind: 'queue', settings: REDIS_SETTINGS }),
    startRedis({ program, folder: join(folder, 'cache'), kind: 'cache', settings: REDIS_SETTINGS }),
    startPostgres({ folder: join(folder, 'postgres'), settings: POSTGRES_SETTINGS, initFlags: ['--no-sync'] }),
  ]);
  return { folder, redis, cache, postgres };
}

/** The Redis program, installed first where that needs no password. */
export function redisProgram(): Promise<string> {
  return ensureProgram(REDIS_SERVER, { install: 'auto', say: console.error });
}

/** A new temporary folder that PostgreSQL's user can enter; removed after us if we cannot do it ourselves. */
export async function temporaryFolder(): Promise<string> {
  const parents = [tmpdir(), '/tmp', '/var/tmp'];
  for (const parent of parents) {
    if (isRoot() && !(await isOpenToAll(parent))) continue;
    const folder = await mkdtemp(join(parent, FOLDER_PREFIX));
    if (isRoot()) await chmod(folder, 0o711);
    await writeJson(join(folder, 'owner.json'), identify(process.pid));
    return folder;
  }
  throw new Error(`None of ${parents.join(', ')} can be entered by every user, as PostgreSQL's own user needs it.`);
}

/** A store that one test has for itself, to stop, freeze and kill. */
export interface PrivateStore {
  /** The same after a restart. */
  readonly url: string;
  readonly port: number;
  /** Process number; another one after a restart. */
  pid(): number;
  /** Freeze it: connections stay open and get no answer. */
  pause(): void;
  resume(): void;
  /** kill -9, and wait until it is gone. */
  kill(): Promise<void>;
  /** Start it again on the same port and folder; resolves when it answers. */
  restart(): Promise<void>;
  /** Stop it for good and remove its folder. */
  stop(): Promise<void>;
}

/** Start a Redis for this test alone. `settings`: more lines of configuration, such as `maxmemory 1mb`. */
export async function startPrivateRedis(kind: RedisKind = 'queue', settings: string[] = []): Promise<PrivateStore> {
  const program = await redisProgram();
  return startPrivate((folder, port) =>
    startRedis({ program, folder: join(folder, 'redis'), kind, settings, ...(port === undefined ? {} : { port }) }),
  );
}

/** Start a PostgreSQL for this test alone. */
export function startPrivatePostgres(settings: Record<string, string> = {}): Promise<PrivateStore> {
  return startPrivate((folder, port) =>
    startPostgres({
      folder: join(folder, 'postgres'),
      settings: { ...POSTGRES_SETTINGS, ...settings },
      initFlags: ['--no-sync'],
      ...(port === undefined ? {} : { port }),
    }),
  );
}

async function startPrivate(start: (folder: string, port?: number) => Promise<RunningStore>): Promise<PrivateStore> {
  const folder = await temporaryFolder();
  let store = await start(folder);
  const { url, port } = store;
  return {
    url,
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
      store = await start(folder, port);
    },
    stop: () => {
      signal(store.pid, 'SIGCONT');
      return stopAll(folder, [store]);
    },
  };
}

async function stopAll(folder: string, stores: readonly RunningStore[]): Promise<void> {
  await Promise.all(stores.map((store) => store.stop(Deadline.in(STOP_MS))));
  await rm(folder, { recursive: true, force: true });
}

const ownerSchema = z.object({ pid: z.int(), mark: z.string() });

/** Remove what runs that were killed have left: their stores, then their folders. */
async function sweep(): Promise<void> {
  for (const parent of new Set([tmpdir(), '/tmp', '/var/tmp'])) {
    const names = await readdir(parent).catch(() => []);
    for (const name of names.filter((entry) => entry.startsWith(FOLDER_PREFIX))) {
      await sweepFolder(join(parent, name));
    }
  }
}

async function sweepFolder(folder: string): Promise<void> {
  const owner = ownerSchema.safeParse(await readJson(join(folder, 'owner.json')).catch(() => undefined));
  if (!owner.success || isSameProcess(owner.data)) return;
  await Promise.all([
    endRedisOrphan(join(folder, 'redis')),
    endRedisOrphan(join(folder, 'cache')),
    endPostgresOrphan(join(folder, 'postgres')),
  ]);
  await rm(folder, { recursive: true, force: true });
}
