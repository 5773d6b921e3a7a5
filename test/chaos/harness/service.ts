/**
 * The service under test: web and worker processes as built, with stores of their own, and a proxy on every line.
 *
 *   driver ── front proxies ── web ┬─ Redis proxy, PostgreSQL proxy ─┬── Redis, PostgreSQL
 *                           worker ┴─ Redis proxy, PostgreSQL proxy ─┘
 *
 * Promises: `calm` undoes every fault; `stop` leaves no process, no connection and no store behind.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { Environment } from '../../../src/config.ts';
import { migrateDatabase } from '../../../src/database/migrate.ts';
import { isRunning } from '../../../src/local/processes.ts';
import { buildOnce, freePort } from '../../support/millrace-process.ts';
import { type PrivateStore, startPrivatePostgres, startPrivateRedis } from '../../support/stores.ts';
import type { Clock } from './clock.ts';
import { buildFixtures } from './fixture-build.ts';
import { PASS, TcpProxy } from './proxy.ts';
import type { Seed } from './seed.ts';
import { ServiceProcess } from './service-process.ts';
import { EFFECTS_TABLE, RUNS_VARIABLE } from './trace.ts';

export interface ServiceOptions {
  readonly clock: Clock;
  readonly seed: Seed;
  /** For logs, runs and journals; on a real disk. */
  readonly folder: string;
  readonly webs?: number;
  readonly workers?: number;
  /** More variables for every process. */
  readonly environment?: Environment;
}

/** The lines that can be disturbed; fronts are named by their web process. */
export interface Lines {
  readonly webRedis: TcpProxy;
  readonly workerRedis: TcpProxy;
  readonly webPostgres: TcpProxy;
  readonly workerPostgres: TcpProxy;
  /** Before each web process, in the same order. */
  readonly fronts: readonly TcpProxy[];
}

interface Stores {
  readonly redis: PrivateStore;
  readonly cache: PrivateStore;
  readonly postgres: PrivateStore;
}

const QUEUE_PREFIX = 'chaos-bull';

/** The processes' SHUTDOWN_DEADLINE_MS. */
export const SHUTDOWN_MS = 15_000;

/** A commit is with the system when it is answered: a kill of PostgreSQL must not lose it, only a power cut may. */
const DURABLE = { synchronous_commit: 'on', full_page_writes: 'on' };

export class Service {
  readonly clock: Clock;
  readonly folder: string;
  readonly redis: PrivateStore;
  readonly cache: PrivateStore;
  readonly postgres: PrivateStore;
  readonly lines: Lines;
  readonly webs: readonly ServiceProcess[];
  readonly workers: readonly ServiceProcess[];
  /** Ports of the web processes themselves, past the fronts. */
  readonly webPorts: readonly number[];
  readonly queuePrefix = QUEUE_PREFIX;
  readonly queues = ['learning', 'cleanup'] as const;
  /** The file with a line for each run of a handler. */
  readonly runsFile: string;
  #stopped = false;

  private constructor(
    { clock, folder }: ServiceOptions,
    stores: Stores,
    parts: Pick<Service, 'lines' | 'webs' | 'workers' | 'webPorts' | 'runsFile'>,
  ) {
    this.clock = clock;
    this.folder = folder;
    this.redis = stores.redis;
    this.cache = stores.cache;
    this.postgres = stores.postgres;
    this.lines = parts.lines;
    this.webs = parts.webs;
    this.workers = parts.workers;
    this.webPorts = parts.webPorts;
    this.runsFile = parts.runsFile;
  }

  /** Start everything; resolves when every process runs. */
  static async start(options: ServiceOptions): Promise<Service> {
    const { clock, folder, seed, webs = 2, workers = 2 } = options;
    buildOnce();
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const runsFile = join(folder, 'runs.log');
    writeFileSync(runsFile, '');
    const [redis, cache, postgres] = await Promise.all([
      startPrivateRedis(),
      startPrivateRedis('cache'),
      startPrivatePostgres(DURABLE),
    ]);
    await migrateDatabase({ url: postgres.url, schema: 'public' });
    await withClient(postgres.url, (client) => client.query(EFFECTS_TABLE));

    const line = async (name: string, target: number) => {
      const proxy = new TcpProxy({ target, clock, random: seed.row(`line ${name}`) });
      await proxy.start();
      return proxy;
    };
    const webPorts = await Promise.all(Array.from({ length: webs }, () => freePort()));
    const [webRedis, workerRedis, webPostgres, workerPostgres, ...fronts] = await Promise.all([
      line('web-redis', redis.port),
      line('worker-redis', redis.port),
      line('web-postgres', postgres.port),
      line('worker-postgres', postgres.port),
      ...webPorts.map((port, i) => line(`front-${i}`, port)),
    ]);
    const environment = {
      JOBS_DIR: buildFixtures(join(folder, 'fixtures')),
      REDIS_CACHE_URL: cache.url,
      QUEUE_PREFIX,
      AUTH: 'off',
      LOG_LEVEL: 'info',
      DATA_DIR: join(folder, 'data'),
      JOURNAL_DIR: join(folder, 'journal'),
      EDIT_BATCH_WINDOW_MINUTES: '0.005',
      LEARNING_RATE_LIMIT_MINUTES: '0',
      LEARNING_QUEUE_CONCURRENCY: '20',
      CLEANUP_QUEUE_CONCURRENCY: '5',
      SHUTDOWN_DEADLINE_MS: String(SHUTDOWN_MS),
      [RUNS_VARIABLE]: runsFile,
      ...options.environment,
    };
    const forRole = (redisPort: number, postgresPort: number) => ({
      ...environment,
      REDIS_URL: withPort(redis.url, redisPort),
      DATABASE_URL: withPort(postgres.url, postgresPort),
    });
    const forWeb = forRole(webRedis.port, webPostgres.port);
    const forWorker = forRole(workerRedis.port, workerPostgres.port);
    const service = new Service(
      options,
      { redis, cache, postgres },
      {
        lines: { webRedis, workerRedis, webPostgres, workerPostgres, fronts },
        webs: webPorts.map((port, i) => {
          const own = { ...forWeb, PORT: String(port) };
          return new ServiceProcess({ name: `web-${i}`, role: 'web', environment: own, logs: folder });
        }),
        workers: Array.from({ length: workers }, (_, i) => {
          return new ServiceProcess({ name: `worker-${i}`, role: 'worker', environment: forWorker, logs: folder });
        }),
        webPorts,
        runsFile,
      },
    );
    await service.calm();
    return service;
  }

  get processes(): readonly ServiceProcess[] {
    return [...this.webs, ...this.workers];
  }

  get proxies(): readonly TcpProxy[] {
    const { fronts, ...lines } = this.lines;
    return [...fronts, ...Object.values(lines)];
  }

  /** Both sides' lines to the queue Redis. */
  get redisLines(): readonly TcpProxy[] {
    return [this.lines.webRedis, this.lines.workerRedis];
  }

  /** Everything works again: lines pass, stores and processes run. */
  async calm(): Promise<void> {
    for (const store of [this.redis, this.cache, this.postgres]) {
      if (isRunning(store.pid())) store.resume();
      else await store.restart();
    }
    await Promise.all(this.proxies.map((proxy) => proxy.behave(PASS)));
    await Promise.all(this.processes.filter(({ running }) => !running).map((process) => process.start()));
  }

  /** Nothing moves any more: every process is killed. `calm` starts them again. */
  async freeze(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.kill()));
  }

  /** Let every proxy draw from this seed. */
  reseed(seed: Seed): void {
    for (const [i, proxy] of this.proxies.entries()) proxy.random = seed.row(`line ${i}`);
  }

  /** Run `work` with a connection of the harness's own to PostgreSQL, past the proxies. */
  withDatabase<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    return withClient(this.postgres.url, work);
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await Promise.all(this.processes.map((process) => process.kill()));
    await Promise.all(this.proxies.map((proxy) => proxy.close()));
    await Promise.all([this.redis.stop(), this.cache.stop(), this.postgres.stop()]);
  }
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, statement_timeout: 60_000 });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function withPort(url: string, port: number): string {
  const parsed = new URL(url);
  parsed.port = String(port);
  return parsed.href;
}
