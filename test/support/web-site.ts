/** A web process and a worker in the test's own process, over the real definitions or others, and a client for it. */

import { Deadline } from '../../src/lifecycle.ts';
import { createLogger } from '../../src/logger.ts';
import { loadCatalog } from '../../src/queue/catalog.ts';
import { WebProcess } from '../../src/web.ts';
import { WorkerProcess } from '../../workers/worker.ts';
import { freePort } from './millrace-process.ts';
import { createWorld, type World, type WorldOptions } from './world.ts';

export interface WebAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** As `JSON.parse` gives it; undefined when the answer is not JSON. */
  readonly body: ReturnType<typeof JSON.parse>;
  readonly text: string;
}

export interface WebSite {
  readonly world: World;
  readonly web: WebProcess;
  readonly port: number;
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<WebAnswer>;
  close(): Promise<void>;
}

export interface WebSiteOptions extends WorldOptions {
  readonly jobsDir: string;
  /** Run a worker too; yes unless told. */
  readonly worker?: boolean;
  /** Called with each log line of both. */
  readonly onLog?: (line: string) => void;
  /** That of the web process. */
  readonly clock?: () => number;
}

export async function openWebSite({
  jobsDir,
  worker = true,
  onLog,
  clock = Date.now,
  ...options
}: WebSiteOptions): Promise<WebSite> {
  const port = await freePort();
  const world = await createWorld({
    ...options,
    environment: {
      EDIT_BATCH_WINDOW_MINUTES: '0',
      LEARNING_RATE_LIMIT_MINUTES: '0',
      ...options.environment,
      PORT: String(port),
    },
  });
  const { config } = world;
  const catalog = await loadCatalog(jobsDir);
  const destination = onLog && { write: onLog };
  const level = onLog ? 'debug' : config.LOG_LEVEL;
  const logger = createLogger({ level, role: 'test', ...(destination && { destination }) });
  const web = new WebProcess({ config, catalog, logger, clock });
  const working = worker ? new WorkerProcess({ config, catalog, logger, queues: [] }) : undefined;
  await web.start();
  await working?.start();
  return {
    world,
    web,
    port,
    ask: async (method, path, body, headers = {}) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method,
        headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(20_000),
      });
      const text = await response.text();
      const isJson = response.headers.get('content-type')?.includes('json') ?? false;
      return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : undefined, text };
    },
    close: async () => {
      await web.stop(Deadline.in(5000));
      await working?.stop(Deadline.in(5000));
      await world.close();
    },
  };
}
