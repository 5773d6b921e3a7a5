/** Built workers over the isolated fixture jobs, and what a test asks them through. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import type { Environment } from '../../src/config.ts';
import type { JobView } from '../../src/queue/job-view.ts';
import type { Services } from '../../src/services.ts';
import { buildFixtures } from '../chaos/harness/fixture-build.ts';
import { buildOnce, MillraceProcess } from './millrace-process.ts';
import { finishedJob, startProducerSide, stopProducerSide } from './producer-side.ts';
import { createWorld, type World, type WorldOptions } from './world.ts';

const FIXTURES = 'test/fixtures/isolated-jobs';
export const ISOLATED_JOBS = join(import.meta.dirname, '..', '..', FIXTURES);

export interface IsolatedSide {
  readonly world: World;
  readonly services: Services;
  /** A folder of the test's own. */
  readonly folder: string;
  /** Start a worker and wait until it runs. */
  worker(more?: Environment): Promise<MillraceProcess>;
  enqueue(job: string, payload: object, more?: object): Promise<string>;
  /** Wait until the job is finished. */
  finished(id: string, ms?: number): Promise<JobView>;
  /** The effects of number `n`: the attempt that has written each. */
  effects(n: number): Promise<number[]>;
  stop(): Promise<void>;
}

/** A world whose workers run the isolated fixtures as built. */
export async function startIsolatedSide({ environment, ...options }: WorldOptions = {}): Promise<IsolatedSide> {
  buildOnce();
  const folder = mkdtempSync(join(tmpdir(), 'millrace-isolated-'));
  const JOBS_DIR = buildFixtures(folder, FIXTURES, /[.]ts$/);
  const world = await createWorld({ ...options, environment: { JOBS_DIR, ...environment } });
  const services = await startProducerSide(world, ISOLATED_JOBS);
  await sql`CREATE TABLE effects (n int, attempt int)`.execute(services.database);
  return {
    world,
    services,
    folder,
    worker: async (more = {}) => {
      const started = new MillraceProcess('worker', { environment: { ...world.environment, ...more }, built: true });
      await started.printed('running');
      return started;
    },
    enqueue: async (job, payload, more = {}) => {
      const { id } = await services.producer.enqueue({ tenant: 'default', job, payload, ...more });
      return id;
    },
    finished: (id, ms = 60_000) => finishedJob(services, id, ms),
    effects: async (n) => {
      const query = sql<{ attempt: number }>`SELECT attempt FROM effects WHERE n = ${n}`;
      return (await query.execute(services.database)).rows.map(({ attempt }) => attempt);
    },
    stop: async () => {
      await stopProducerSide(services);
      rmSync(folder, { recursive: true });
      await world.close();
    },
  };
}
