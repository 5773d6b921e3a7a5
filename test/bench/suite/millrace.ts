/** Our service as a contender: stores, a key, web and worker processes, and how its requests look. */

import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiKeys } from '../../../src/access/api-keys.ts';
import type { Environment } from '../../../src/config.ts';
import { connectDatabase } from '../../../src/database/connection.ts';
import { migrateDatabase } from '../../../src/database/migrate.ts';
import { Deadline, pause } from '../../../src/lifecycle.ts';
import { freePort } from '../../../src/local/ports.ts';
import type { PrivateStore } from '../../support/stores.ts';
import type { Target } from './actors/http-client.ts';
import { profiling } from './profiles.ts';
import { QueueView } from './queue-view.ts';
import { answers, ServiceProcess } from './service.ts';
import type { Stage } from './stage.ts';

/** Attempts of one process at once, of every worker that is compared. */
export const CONCURRENCY = 50;

/** Milliseconds that the first job may take, its worker starting. */
const READY_MS = 30_000;
const SETTLE_MS = 60_000;
/** Milliseconds between two looks at what is unsettled: rare enough to cost next to nothing. */
const LOOK_MS = 250;

export interface MillraceOptions {
  /** Letters, digits and hyphens: part of every prefix, so that several share the stores. */
  readonly name: string;
  readonly redis: PrivateStore;
  readonly cache: PrivateStore;
  readonly postgres: PrivateStore;
  readonly webs?: number;
  readonly workers?: number;
  readonly environment?: Environment;
  /** Redis runs in a way that the service does not call ready: wait for its first answer only. */
  readonly unready?: boolean;
}

/** What is asked of a job besides its payload. */
export interface JobExtras {
  readonly priority?: number;
  readonly delayMs?: number;
}

export class Millrace {
  readonly webs: readonly ServiceProcess[];
  readonly workers: readonly ServiceProcess[];
  readonly view: QueueView;
  readonly #ports: readonly number[];
  readonly #key: string;

  private constructor(
    parts: { ports: readonly number[]; key: string; view: QueueView },
    webs: readonly ServiceProcess[],
    workers: readonly ServiceProcess[],
  ) {
    this.#ports = parts.ports;
    this.#key = parts.key;
    this.view = parts.view;
    this.webs = webs;
    this.workers = workers;
  }

  /** Start it; resolves when all its processes are ready. The stage ends it. */
  static async start(stage: Stage, options: MillraceOptions): Promise<Millrace> {
    const { name, redis, cache, postgres, webs = 1, workers = 1, unready = false } = options;
    const { folder } = stage.bench.build;
    // Of its own each time: what an earlier journal still holds would be handed over again.
    const dataDir = join(folder, 'data', `${name}-${randomBytes(4).toString('hex')}`);
    stage.onEnd(() => rm(dataDir, { recursive: true, force: true }));
    const schema = `bench_${name.replaceAll('-', '_')}`;
    await migrateDatabase({ url: postgres.url, schema });
    const environment: Environment = {
      REDIS_URL: redis.url,
      REDIS_CACHE_URL: cache.url,
      DATABASE_URL: postgres.url,
      DATABASE_SCHEMA: schema,
      QUEUE_PREFIX: name,
      KEY_PREFIX: `${name}:`,
      CACHE_KEY_PREFIX: `${name}:`,
      DATA_DIR: dataDir,
      JOBS_DIR: join(folder, 'test/bench/jobs'),
      HOST: '127.0.0.1',
      LEARNING_QUEUE_CONCURRENCY: String(CONCURRENCY),
      ...options.environment,
    };
    const process = (role: 'web' | 'worker', n: number, extra: Environment) => {
      const entry = join(folder, role === 'web' ? 'src/server.js' : 'workers/main.js');
      const logFile = join(folder, 'logs', `${name}-${role}-${n}.log`);
      const profile = stage.bench.options.profile ? profiling(folder, `${name}-${role}-${n}`) : [];
      const started = new ServiceProcess({
        args: [...profile, entry],
        environment: { ...environment, ...extra },
        logFile,
      });
      stage.onEnd(() => started.stop());
      return started;
    };
    const ports: number[] = [];
    for (let n = 0; n < webs; n++) ports.push(await freePort());
    const key = await makeKey(postgres.url, schema);
    const view = new QueueView(redis.url, `${name}:learning:`, 'learning_');
    stage.onEnd(() => view.close());
    const started = new Millrace(
      { ports, key, view },
      ports.map((port, n) => process('web', n, { PORT: String(port) })),
      Array.from({ length: workers }, (_, n) => process('worker', n, {})),
    );
    const path = unready ? 'livez' : 'readyz';
    await Promise.all(started.webs.map((web, n) => web.until(() => answers(`http://127.0.0.1:${ports[n]}/${path}`))));
    if (workers > 0) await started.#runOne();
    return started;
  }

  get pids(): number[] {
    return [...this.webs, ...this.workers].map(({ pid }) => pid);
  }

  /** Requests for one job each, one target a web process. */
  single(job = 'no-op', extras: JobExtras = {}): Target[] {
    return this.#targets('/v1/jobs', 'application/json', jobText(job, extras));
  }

  /** Requests for `size` jobs each. */
  bulk(size: number, extras: JobExtras = {}): Target[] {
    const jobs = Array.from({ length: size }, () => jobText('no-op', extras)).join(',');
    return this.#targets('/v1/jobs/bulk', 'application/json', `{"jobs":[${jobs}]}`);
  }

  /** Requests for `size` jobs each, a line a job. */
  lines(size: number): Target[] {
    const body = Array.from({ length: size }, () => `${jobText('no-op', {})}\n`).join('');
    return this.#targets('/v1/jobs/stream', 'application/x-ndjson', body);
  }

  /** The next requests find no worker that uses the processor. */
  freezeWorkers(): void {
    for (const worker of this.workers) worker.freeze();
  }

  /** Let the workers do all that waits, and freeze them again: the next slice finds the queue as this one did. */
  async clear(): Promise<void> {
    for (const worker of this.workers) worker.thaw();
    await this.view.untilEmpty();
    await this.settled();
    this.freezeWorkers();
  }

  /** Wait until the web processes have seen the end of every job and have nothing left to do for them. */
  async settled(): Promise<void> {
    const deadline = Deadline.in(SETTLE_MS);
    while ((await this.#unsettled()) > 0) {
      if (deadline.leftMs === 0) throw new Error(`After ${SETTLE_MS} ms the journal still holds jobs.`);
      await pause(LOOK_MS);
    }
  }

  async #unsettled(): Promise<number> {
    const headers = { authorization: `Bearer ${this.#key}` };
    const counts = await Promise.all(
      this.#ports.map(async (port) => {
        const signal = AbortSignal.timeout(10_000);
        const response = await fetch(`http://127.0.0.1:${port}/metrics`, { headers, signal });
        const text = await response.text();
        const gauges = [...text.matchAll(/^millrace_journal_(?:pending|open)_jobs(?:\{[^}]*\})? (\d+)$/gm)];
        if (gauges.length === 0) throw new Error(`/metrics tells nothing of the journal: ${text.slice(0, 200)}`);
        return gauges.reduce((sum, [, value]) => sum + Number(value), 0);
      }),
    );
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** A worker is ready when it has done a job: whatever its log says, or does not. */
  async #runOne(): Promise<void> {
    const [target] = this.single();
    if (target === undefined) throw new Error('There is no web process.');
    const { port, path, headers, body } = target;
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: 'POST',
      headers,
      body: body.replaceAll('{at}', '1').replaceAll('{n}', '1'),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await response.text();
    if (response.status !== 202) throw new Error(`The first job was answered with ${response.status}: ${text}`);
    await this.view.untilCompleted(1, READY_MS);
  }

  #targets(path: string, type: string, body: string): Target[] {
    const headers = { 'Content-Type': type, Authorization: `Bearer ${this.#key}` };
    return this.#ports.map((port) => ({ port, path, headers, body }));
  }
}

/** About 194 bytes of payload; `{at}` and `{n}` are the client's to fill in. */
function jobText(job: string, extras: JobExtras): string {
  const text = 'The quick brown fox jumps over the lazy dog, and then it does the same once more for the bench.';
  const payload = `{"at":{at},"userId":"writer-{n}","contentId":"content-0815","text":"${text}","tone":"plain"}`;
  const more = Object.entries(extras).map(([name, value]) => `,"${name}":${value}`);
  return `{"job":"learning.${job}","payload":${payload}${more.join('')}}`;
}

async function makeKey(url: string, schema: string): Promise<string> {
  const database = connectDatabase({ url, schema, poolSize: 1, name: 'bench' });
  try {
    const { key } = await new ApiKeys({ database }).create({ tenant: 'default', label: 'bench', operator: true });
    return key;
  } finally {
    await database.destroy();
  }
}

/** The same request to the usual service. */
export function usualTarget(port: number, size = 1): Target {
  const one = jobText('no-op', {});
  const jobs = Array.from({ length: size }, () => one).join(',');
  const headers = { 'Content-Type': 'application/json' };
  return size === 1
    ? { port, path: '/v1/jobs', headers, body: one }
    : { port, path: '/v1/jobs/bulk', headers, body: `{"jobs":[${jobs}]}` };
}
