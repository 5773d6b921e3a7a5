/**
 * The worker process: runs the pools named in argv (default: all) and stops them on a signal.
 *
 *   node dist/workers/main.js [queue …]
 *
 * Promises: a wrong configuration, an unknown queue, a queue without a pool row or a bad definition stops the boot with
 * the cure; on SIGTERM everything has ended by `SHUTDOWN_DEADLINE_MS`, and no job is lost or failed by it.
 */

import { join } from 'node:path';
import { loadConfig } from '../src/config.ts';
import { runProcess } from '../src/lifecycle.ts';
import { readLocalState } from '../src/local/state.ts';
import { createLogger } from '../src/logger.ts';
import { loadCatalog } from '../src/queue/catalog.ts';
import { WorkerProcess } from './worker.ts';

await runProcess(async () => {
  const config = loadConfig(await readLocalState());
  const logger = createLogger({ level: config.LOG_LEVEL, role: 'worker' });
  const catalog = await loadCatalog(config.JOBS_DIR ?? join(import.meta.dirname, '..', 'jobs'));
  const part = new WorkerProcess({ config, catalog, logger, queues: process.argv.slice(2) });
  return { part, logger, shutdownMs: config.SHUTDOWN_DEADLINE_MS };
});
