/** The fixture jobs: services to ask through, workers that run them, and the table that their effects go to. */

import { sql } from 'kysely';
import type { Environment } from '../../src/config.ts';
import type { JobView } from '../../src/queue/job-view.ts';
import type { Services } from '../../src/services.ts';
import { MillraceProcess } from './millrace-process.ts';
import { FIXTURE_JOBS, finishedJob, startProducerSide, stopProducerSide } from './producer-side.ts';
import { createWorld, type World, type WorldOptions } from './world.ts';

export interface FixtureSide {
  readonly world: World;
  readonly services: Services;
  /** Start a worker; it may not run yet. */
  worker(more?: Environment): MillraceProcess;
  /** Enqueue `learning.<verb>`; its id. */
  enqueue(verb: string, payload: object): Promise<string>;
  /** Wait until all of them are finished. */
  finished(ids: readonly string[], ms: number): Promise<readonly JobView[]>;
  /** The number of each effect, in order: a job that took effect twice is there twice. */
  effects(): Promise<number[]>;
  stop(): Promise<void>;
}

/** A world whose workers run the fixture jobs from the sources. */
export async function startFixtureSide({ environment, ...options }: WorldOptions = {}): Promise<FixtureSide> {
  const world = await createWorld({ ...options, environment: { JOBS_DIR: FIXTURE_JOBS, ...environment } });
  const services = await startProducerSide(world, FIXTURE_JOBS);
  await sql`CREATE TABLE effects (n int)`.execute(services.database);
  return {
    world,
    services,
    worker: (more = {}) => new MillraceProcess('worker', { environment: { ...world.environment, ...more } }),
    enqueue: async (verb, payload) => {
      const { id } = await services.producer.enqueue({ tenant: 'default', job: `learning.${verb}`, payload });
      return id;
    },
    finished: (ids, ms) => Promise.all(ids.map((id) => finishedJob(services, id, ms))),
    effects: async () => {
      const { rows } = await sql<{ n: number }>`SELECT n FROM effects ORDER BY n`.execute(services.database);
      return rows.map(({ n }) => n);
    },
    stop: async () => {
      await stopProducerSide(services);
      await world.close();
    },
  };
}
