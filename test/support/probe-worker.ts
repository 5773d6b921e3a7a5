/**
 * A worker and its web-side services in the test's own process, on definitions that the test writes inline.
 */

import { Deadline } from '../../src/lifecycle.ts';
import { createLogger } from '../../src/logger.ts';
import { Catalog } from '../../src/queue/catalog.ts';
import { Completions } from '../../src/queue/completions.ts';
import type { JobDefinition } from '../../src/queue/job.ts';
import { FINISHED, type JobView } from '../../src/queue/job-view.ts';
import { closeRedis, connectRedis } from '../../src/redis/connections.ts';
import { Services } from '../../src/services.ts';
import type { PoolRow } from '../../workers/pools.ts';
import { WorkerProcess } from '../../workers/worker.ts';
import type { World } from './world.ts';

export interface Probe {
  /** As a web process has them. */
  readonly services: Services;
  readonly worker: WorkerProcess;
  /** Wait until the job is finished, or in this state. */
  until(id: string, state?: JobView['state'], ms?: number): Promise<JobView>;
  stop(ms?: number): Promise<void>;
}

export const EAGER: PoolRow = { concurrency: 10, pace: { windowMs: 0, rateMs: 0 } };

/** Start a worker for these definitions in this world. */
export async function startProbe(world: World, definitions: readonly JobDefinition[], row = EAGER): Promise<Probe> {
  const { config } = world;
  const catalog = new Catalog(definitions);
  const logger = createLogger({ level: config.LOG_LEVEL, role: 'test' });
  const services = new Services({ config, catalog, logger, role: 'web' });
  const listening = connectRedis({ url: config.REDIS_URL, role: 'worker', name: 'web:listen', logger });
  const completions = new Completions({ redis: listening, prefix: config.QUEUE_PREFIX, logger });
  const rows = Object.fromEntries(catalog.queues.map((queue) => [queue, row]));
  const worker = new WorkerProcess({ config, catalog, logger, queues: [], rows });
  await services.start();
  await worker.start();
  return {
    services,
    worker,
    until: async (id, state, ms = 20_000) => {
      const wanted = (view: JobView) => (state === undefined ? FINISHED.has(view.state) : view.state === state);
      const deadline = Deadline.in(ms);
      for (;;) {
        const look = () => services.inspector.job('default', id);
        const view = await completions.wait(
          id.split('_')[0] ?? '',
          id,
          50,
          AbortSignal.timeout(deadline.leftMs + 1),
          look,
        );
        if (wanted(view)) return view;
        if (deadline.leftMs === 0) throw new Error(`Job ${id} is still ${JSON.stringify(view)}`);
      }
    },
    stop: async (ms = 10_000) => {
      const deadline = Deadline.in(ms);
      await worker.stop(deadline);
      await completions.stop(deadline);
      await closeRedis(listening);
      await services.stop(deadline);
    },
  };
}
