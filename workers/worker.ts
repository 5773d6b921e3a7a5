/**
 * A worker, composed: the services, one pool per queue, who watches them, the clocks, and how they stop.
 *
 * Promises: an unknown queue or a queue without a pool row is refused before anything is opened. On stop the pools go
 * first, then the clocks, then the connections, all against one deadline.
 */

import type { Config } from '../src/config.ts';
import { BootError, type Deadline, type Lifecycle, Parts } from '../src/lifecycle.ts';
import type { Logger } from '../src/logger.ts';
import { MetricTotals } from '../src/monitoring/metric-totals.ts';
import { Metrics } from '../src/monitoring/metrics.ts';
import type { Catalog } from '../src/queue/catalog.ts';
import { connectRedis, type Redis } from '../src/redis/connections.ts';
import { RedisHistory } from '../src/redis/history.ts';
import { Services } from '../src/services.ts';
import type { RunTools } from './attempt.ts';
import type { AttemptMeasure } from './attempt-measures.ts';
import { Isolation } from './isolation/isolation.ts';
import { Pool } from './pool.ts';
import { longestPaceMs, type PoolRow, poolRows } from './pools.ts';
import { Triggers } from './triggers.ts';
import { Watchdog } from './watchdog.ts';

export interface WorkerOptions {
  readonly config: Config;
  readonly catalog: Catalog;
  readonly logger: Logger;
  /** Queues to work on; empty: all. */
  readonly queues: readonly string[];
  /** Pool rows; those of `pools.ts` unless told. */
  readonly rows?: Readonly<Record<string, PoolRow>>;
  /** Opens the connection of a queue's pool: a client of the `worker` role to `REDIS_URL` unless told. */
  readonly connect?: (queue: string) => Redis;
}

export class WorkerProcess implements Lifecycle {
  readonly services: Services;
  readonly #parts = new Parts();
  readonly #pools: readonly Pool[];
  readonly #isolation: Isolation;
  readonly #triggers: Triggers;
  readonly #watchdog: Watchdog;
  readonly #totals: MetricTotals;
  readonly #history: RedisHistory;
  readonly #logger: Logger;

  constructor({ config, catalog, logger, queues, rows = poolRows(config), connect }: WorkerOptions) {
    const chosen = chooseRows(catalog.queues, rows, queues);
    refuseWithoutFile(catalog, new Set(chosen.map(([queue]) => queue)));
    this.#logger = logger;
    const metrics = new Metrics({ role: 'worker' });
    this.services = this.#parts.add('services', new Services({ config, catalog, logger, role: 'worker', metrics }));
    const { producer, apiKeys, queues: lines, redis, redisBreaker: breaker } = this.services;
    const totals = { metrics, redis, keyPrefix: config.KEY_PREFIX, logger };
    this.#totals = this.#parts.add('metric totals', new MetricTotals(totals));
    this.#triggers = this.#parts.add(
      'triggers',
      new Triggers({ catalog, producer, tenants: () => apiKeys.tenants(), logger }),
    );
    const history = new RedisHistory({ redis, key: `${config.QUEUE_PREFIX}:history`, logger });
    this.#history = this.#parts.add('redis history', history);
    const { tally } = this.services;
    const measure = (attempt: AttemptMeasure) => {
      metrics.attempt(attempt);
      tally.attempt(attempt.dead ? { ...attempt, outcome: 'dead' } : attempt);
    };
    const working = chosen.map(([queue]) => queue);
    const isolation = new Isolation({ config, catalog, queues: working, logger, crashed: metrics.isolatedCrash });
    this.#isolation = this.#parts.add('isolation', isolation);
    const paceMs = longestPaceMs(rows);
    this.#pools = chosen.map(([queue, row]) => {
      const tools = this.#tools(row, paceMs);
      const prefix = config.QUEUE_PREFIX;
      const client = () => connectRedis({ url: config.REDIS_URL, role: 'worker', name: `worker:${queue}`, logger });
      const open = () => (connect === undefined ? client() : connect(queue));
      const keep = { completedHours: config.JOBS_KEEP_COMPLETED_HOURS, deadDays: config.JOBS_KEEP_DEAD_DAYS };
      return new Pool({ queue, row, connect: open, prefix, keep, tools, logger, measure });
    });
    this.#parts.add('pools', { stop: (deadline) => stopAll(this.#pools, deadline) });
    const watchdog = new Watchdog({ pools: this.#pools, queues: lines, redis, breaker, logger });
    this.#watchdog = this.#parts.add('watchdog', watchdog);
  }

  async start(): Promise<void> {
    await this.services.start();
    await this.#history.start();
    await this.#isolation.start();
    await Promise.all(this.#pools.map((pool) => pool.start()));
    await this.#watchdog.start();
    await this.#triggers.start();
    await this.#totals.start();
  }

  stop(deadline: Deadline): Promise<void> {
    return this.#parts.stop(deadline, this.#logger);
  }

  #tools({ pace }: PoolRow, paceMs: number): RunTools {
    const { producer, ...services } = this.services;
    return {
      catalog: services.catalog,
      services: this.services,
      collectedRequests: services.collectedRequests,
      ledger: services.ledger,
      locks: services.locks,
      cache: services.cache,
      publisher: services.publisher,
      producer,
      fire: (event) => this.#triggers.fire(event),
      wakeOverdue: (graceMs) => producer.wakeOverdue(paceMs + graceMs),
      pace,
      isolate: (attempt) => this.#isolation.run(attempt),
      logger: this.#logger,
      clock: Date.now,
      believedSinceMs: () => this.#history.believedSinceMs,
    };
  }
}

/** All pools stop at the same time, against one deadline. */
async function stopAll(pools: readonly Pool[], deadline: Deadline): Promise<void> {
  const results = await Promise.allSettled(pools.map((pool) => pool.stop(deadline)));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** The process of an isolated job loads its definition by itself; jobs of queues worked elsewhere do not matter here. */
function refuseWithoutFile({ all, directory }: Catalog, queues: ReadonlySet<string>): void {
  const here = directory === undefined ? all.filter(({ queue }) => queues.has(queue)) : [];
  const without = here.find(({ isolated }) => isolated);
  if (without === undefined) return;
  throw new BootError(`${without.name} is isolated, so it must be a file of the catalog's folder.`);
}

function chooseRows(
  queues: readonly string[],
  rows: Readonly<Record<string, PoolRow>>,
  names: readonly string[],
): [string, PoolRow][] {
  const unknown = names.find((name) => !queues.includes(name));
  if (unknown !== undefined) throw new BootError(`There is no queue "${unknown}". There are: ${queues.join(', ')}.`);
  return (names.length > 0 ? names : queues).map((queue) => {
    const row = rows[queue];
    if (row !== undefined) return [queue, row];
    throw new BootError(`jobs/${queue}/ has no row in workers/pools.ts. Add one with its concurrency.`);
  });
}
