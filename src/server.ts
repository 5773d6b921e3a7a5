/**
 * The web process: composes, listens, drains.
 *
 * Promises: a wrong configuration or a bad definition stops the boot with the cure; on SIGTERM it is not ready at once,
 * finishes what it has begun, and has ended by `SHUTDOWN_DEADLINE_MS`.
 */

import { join } from 'node:path';
import { loadConfig } from './config.ts';
import { runProcess } from './lifecycle.ts';
import { readLocalState } from './local/state.ts';
import { createLogger } from './logger.ts';
import { loadCatalog } from './queue/catalog.ts';
import { WebProcess } from './web.ts';

await runProcess(async () => {
  const config = loadConfig(await readLocalState());
  const logger = createLogger({ level: config.LOG_LEVEL, role: 'web' });
  const catalog = await loadCatalog(config.JOBS_DIR ?? join(import.meta.dirname, '..', 'jobs'));
  const part = new WebProcess({ config, catalog, logger });
  return { part, logger, shutdownMs: config.SHUTDOWN_DEADLINE_MS };
});
