/**
 * The private stores of `npm start`: one for each store variable that the user has not set.
 *
 * Promises: the ones that are needed start side by side; one that dies is started again on the same port with its
 * data; when one cannot start, the others are stopped again.
 */

import { join } from 'node:path';
import type { LocalConfig } from '../config.ts';
import { Deadline, type Lifecycle } from '../lifecycle.ts';
import { Keeper } from './keeper.ts';
import { startPostgres } from './postgres.ts';
import { postgresHome } from './postgres-home.ts';
import { identify } from './processes.ts';
import { ensureProgram, REDIS_SERVER } from './programs.ts';
import { startRedis } from './redis.ts';
import { type LocalState, STORE_VARIABLES, type StoreVariable } from './state.ts';
import type { RunningStore } from './store.ts';

export interface PrivateStoresOptions {
  readonly config: LocalConfig;
  /** Absolute path of the data folder; it exists. */
  readonly dataDir: string;
  readonly say: (line: string) => void;
  /** Called after each new run of a store. */
  readonly changed: () => void;
}

interface StorePlan {
  readonly variable: StoreVariable;
  readonly name: string;
  /** Starts it, on `port` when it must be that one. */
  readonly start: (port: { port?: number }) => Promise<RunningStore>;
}

const UNDO_MS = 10_000;

export class PrivateStores implements Lifecycle {
  readonly #options: PrivateStoresOptions;
  readonly #keepers: Keeper<RunningStore>[] = [];
  readonly #running = new Map<StoreVariable, RunningStore>();
  #postgresFolder: string | undefined;

  constructor(options: PrivateStoresOptions) {
    this.#options = options;
  }

  /** Start what is missing; resolves when all of it answers. */
  async start(): Promise<void> {
    const plans = await this.#plan();
    const results = await Promise.allSettled(plans.map((plan) => this.#keep(plan)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed === undefined) return;
    await this.stop(Deadline.in(UNDO_MS));
    throw failed.reason;
  }

  /** The URL of each store, private or given. */
  get urls(): Record<StoreVariable, string> {
    return {
      REDIS_URL: this.#url('REDIS_URL'),
      REDIS_CACHE_URL: this.#url('REDIS_CACHE_URL'),
      DATABASE_URL: this.#url('DATABASE_URL'),
    };
  }

  /** What the state file says of the stores that are known by now. */
  get state(): LocalState['stores'] {
    const { config } = this.#options;
    const known: LocalState['stores'] = {};
    for (const variable of STORE_VARIABLES) {
      const running = this.#running.get(variable);
      const url = config[variable] ?? running?.url;
      if (url !== undefined)
        known[variable] = { url, process: running === undefined ? undefined : identify(running.pid) };
    }
    return known;
  }

  /** Where PostgreSQL's data is; undefined when it is not ours. */
  get postgresFolder(): string | undefined {
    return this.#postgresFolder;
  }

  /** Stop all that we started. */
  async stop(deadline: Deadline): Promise<void> {
    await Promise.all(this.#keepers.map((keeper) => keeper.stop(deadline)));
  }

  #url(variable: StoreVariable): string {
    const url = this.#options.config[variable] ?? this.#running.get(variable)?.url;
    if (url === undefined) throw new Error(`${variable} is asked for before its store has started.`);
    return url;
  }

  async #plan(): Promise<StorePlan[]> {
    const { config, dataDir, say } = this.#options;
    const plans: StorePlan[] = [];
    if (config.REDIS_URL === undefined || config.REDIS_CACHE_URL === undefined) {
      const program = await ensureProgram(REDIS_SERVER, { install: config.MILLRACE_INSTALL, say });
      const redis = (kind: 'queue' | 'cache', folder: string) => (port: { port?: number }) =>
        startRedis({ program, kind, folder: join(dataDir, folder), ...port });
      plans.push({ variable: 'REDIS_URL', name: 'redis', start: redis('queue', 'redis') });
      plans.push({ variable: 'REDIS_CACHE_URL', name: 'redis-cache', start: redis('cache', 'redis-cache') });
    }
    if (config.DATABASE_URL === undefined) {
      const folder = await postgresHome(dataDir);
      this.#postgresFolder = folder;
      plans.push({ variable: 'DATABASE_URL', name: 'postgres', start: (port) => startPostgres({ folder, ...port }) });
    }
    return plans.filter(({ variable }) => config[variable] === undefined);
  }

  async #keep({ variable, name, start }: StorePlan): Promise<void> {
    const { say, changed } = this.#options;
    const keeper = new Keeper<RunningStore>({
      name,
      say,
      // Everyone else knows the first run's port: later runs must have it too.
      start: () => {
        const before = this.#running.get(variable);
        return start(before === undefined ? {} : { port: before.port });
      },
      started: (store) => {
        this.#running.set(variable, store);
        changed();
      },
    });
    this.#keepers.push(keeper);
    await keeper.start();
  }
}
