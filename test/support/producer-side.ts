/** What a web process has, in the test's own process: to enqueue and look without HTTP. */

import { join } from 'node:path';
import { Deadline } from '../../src/lifecycle.ts';
import { identify } from '../../src/local/processes.ts';
import { createLogger } from '../../src/logger.ts';
import { loadCatalog } from '../../src/queue/catalog.ts';
import { FINISHED, type JobView } from '../../src/queue/job-view.ts';
import { Services } from '../../src/services.ts';
import { eventually } from './millrace-process.ts';
import type { World } from './world.ts';

export const FIXTURE_JOBS = join(import.meta.dirname, '..', 'fixtures', 'jobs');
export const REAL_JOBS = join(import.meta.dirname, '..', '..', 'jobs');

/** Services over the definitions of a folder; with `journal`, they accept as a web process does. Stop them with `stopProducerSide`. */
export async function startProducerSide(
  { config }: World,
  jobsDir: string,
  { journal = false }: { journal?: boolean } = {},
): Promise<Services> {
  const logger = createLogger({ level: config.LOG_LEVEL, role: 'test' });
  const catalog = await loadCatalog(jobsDir);
  const services = new Services({
    config,
    catalog,
    logger,
    role: 'test',
    ...(journal && { identities: { identify } }),
  });
  await services.start();
  return services;
}

export function stopProducerSide(services: Services): Promise<void> {
  return services.stop(Deadline.in(5000));
}

/** Wait until a job is finished, whichever way. */
export function finishedJob({ inspector }: Services, id: string, ms: number): Promise<JobView> {
  return eventually(
    () => inspector.job('default', id),
    ({ state }) => FINISHED.has(state),
    ms,
  );
}
