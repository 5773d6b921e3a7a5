/** Metrics of several processes on one page, on a real Redis; and what the page is when Redis is away. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Deadline } from '../../src/lifecycle.ts';
import { createLogger } from '../../src/logger.ts';
import { MetricTotals } from '../../src/monitoring/metric-totals.ts';
import { Metrics } from '../../src/monitoring/metrics.ts';
import { type MeasuredQueue, MetricsPage } from '../../src/monitoring/metrics-page.ts';
import { closeRedis, connectRedis, type Redis, redisReady } from '../../src/redis/connections.ts';
import { type Family, parsePrometheus } from '../support/prometheus.ts';
import { startPrivateRedis } from '../support/stores.ts';
import { createWorld, type World } from '../support/world.ts';

const logger = createLogger({ level: 'silent', role: 'test' });
const LOOK: MeasuredQueue = {
  name: 'learning',
  counts: { waiting: 3, active: 1, delayed: 0, prioritized: 0, completed: 7, failed: 2 },
  oldestWaitingMs: 1500,
  workers: 2,
  paused: false,
};
const ATTEMPT = { queue: 'learning', job: 'learning.process-edit', outcome: 'completed', waitMs: 40, runMs: 400 };

let world: World;
let redis: Redis;
let cacheRedis: Redis;
beforeAll(async () => {
  world = await createWorld({ migrate: false });
  redis = await connect(world.config.REDIS_URL);
  cacheRedis = await connect(world.config.REDIS_CACHE_URL);
});
afterAll(async () => {
  if (redis) await closeRedis(redis);
  if (cacheRedis) await closeRedis(cacheRedis);
  await world?.close();
});

async function connect(url: string): Promise<Redis> {
  const client = connectRedis({ url, role: 'producer', name: 'metrics', logger });
  await redisReady(client, 5000);
  return client;
}

let prefixes = 0;
/** Keys of its own for each test. */
function newPrefix(): string {
  prefixes += 1;
  return `${world.config.KEY_PREFIX}${prefixes}:`;
}

const JOURNAL = { pending: 3, open: 2, setAside: 1, bytes: 4096, behindMs: 1500, trouble: undefined };

const BUSINESS = { adaptationAccuracy: 0.25, feedbackTrend: null };

const opened: Metrics[] = [];
afterEach(() => {
  for (const metrics of opened.splice(0)) metrics.stop();
});

/** A process: what it records, its totals, and its page. */
function startProcess(
  keyPrefix: string,
  role: string,
  client: Redis = redis,
  queues: readonly MeasuredQueue[] = [LOOK],
) {
  const metrics = new Metrics({ role });
  opened.push(metrics);
  const totals = new MetricTotals({ metrics, redis: client, keyPrefix, logger });
  const page = new MetricsPage({
    metrics,
    totals,
    queues: { queues: async () => queues },
    redis: client,
    cacheRedis,
    acceptance: { figures: JOURNAL },
    business: { businessFigures: async () => BUSINESS },
    version: '0.1.0',
    logger,
  });
  return { metrics, totals, page, read: async () => parsePrometheus(await page.text()) };
}

function valueIn(families: Map<string, Family>, sample: string, labels: Record<string, string>): number | undefined {
  const all = [...families.values()].flatMap((family) => family.samples);
  const wanted = JSON.stringify(Object.entries(labels).sort());
  return all.find(({ name, labels: own }) => name === sample && JSON.stringify(Object.entries(own).sort()) === wanted)
    ?.value;
}

describe('the metrics page', () => {
  it('tells what is in the journal', async () => {
    const families = await startProcess(newPrefix(), 'web').read();
    const names = ['pending_jobs', 'open_jobs', 'set_aside_jobs', 'bytes', 'behind_seconds'];
    expect(names.map((name) => valueIn(families, `millrace_journal_${name}`, {}))).toEqual([3, 2, 1, 4096, 1.5]);
  });

  it('is accepted by a strict parser, with labels that need escaping', async () => {
    const web = startProcess(newPrefix(), 'web');
    web.metrics.attempt({ ...ATTEMPT, job: 'learning."quoted"\\back\nline' });
    web.metrics.request({ route: '/v1/jobs/:id', method: 'GET', status: 200, ms: 3 });
    const families = await web.read();
    const labels = { queue: 'learning', job: 'learning."quoted"\\back\nline' };
    expect(valueIn(families, 'millrace_job_wait_seconds_count', labels)).toBe(1);
    expect(families.get('millrace_http_request_duration_seconds')?.type).toBe('histogram');
    expect(families.get('nodejs_eventloop_lag_seconds')?.type).toBe('gauge');
  });

  it('shows what worker processes have done, summed, also after they have ended', async () => {
    const prefix = newPrefix();
    const web = startProcess(prefix, 'web');
    for (const runMs of [3, 30, 3000]) {
      const worker = startProcess(prefix, 'worker');
      await worker.totals.start();
      worker.metrics.attempt({ ...ATTEMPT, runMs });
      worker.metrics.attempt({ ...ATTEMPT, outcome: 'retry', runMs });
      worker.metrics.lockWait('profile', 20, 'held');
      worker.metrics.cacheRead('hit');
      await worker.totals.stop(Deadline.in(2000));
    }
    const families = await web.read();
    const { queue, job } = ATTEMPT;
    expect(valueIn(families, 'millrace_job_outcomes_total', { queue, job, outcome: 'completed' })).toBe(3);
    expect(valueIn(families, 'millrace_job_retries_total', { queue, job })).toBe(3);
    expect(valueIn(families, 'millrace_job_wait_seconds_count', { queue, job })).toBe(6);
    const run = { queue, job, outcome: 'completed' };
    expect(valueIn(families, 'millrace_job_run_seconds_bucket', { ...run, le: '0.005' })).toBe(1);
    expect(valueIn(families, 'millrace_job_run_seconds_bucket', { ...run, le: '0.05' })).toBe(2);
    expect(valueIn(families, 'millrace_job_run_seconds_bucket', { ...run, le: '+Inf' })).toBe(3);
    expect(valueIn(families, 'millrace_job_run_seconds_sum', run)).toBeCloseTo(3.033, 6);
    expect(valueIn(families, 'millrace_lock_wait_seconds_count', { kind: 'profile', outcome: 'held' })).toBe(3);
    expect(valueIn(families, 'millrace_cache_reads_total', { outcome: 'hit' })).toBe(3);
  });

  it('adds a batch once, also when the answer to the first try was lost', async () => {
    const prefix = newPrefix();
    let lose = true;
    const lossy = new Proxy(redis, {
      get: (target, name) => {
        if (name !== 'eval') return Reflect.get(target, name).bind(target);
        return async (...given: Parameters<Redis['eval']>) => {
          const answer = await target.eval(...given);
          if (lose) throw new Error('Command timed out');
          return answer;
        };
      },
    });
    const worker = startProcess(prefix, 'worker', lossy);
    worker.metrics.cacheRead('miss');
    await expect(worker.totals.add()).rejects.toThrow('timed out');
    worker.metrics.cacheRead('miss');
    await expect(worker.totals.add()).rejects.toThrow('timed out');
    lose = false;
    await worker.totals.add();
    const families = await startProcess(prefix, 'web').read();
    expect(valueIn(families, 'millrace_cache_reads_total', { outcome: 'miss' })).toBe(2);
  });

  it('shows depth, age, workers and the memory of both Redis servers', async () => {
    const families = await startProcess(newPrefix(), 'web').read();
    const queue = 'learning';
    expect(valueIn(families, 'millrace_queue_jobs', { queue, state: 'waiting' })).toBe(3);
    expect(valueIn(families, 'millrace_queue_jobs', { queue, state: 'failed' })).toBe(2);
    expect(valueIn(families, 'millrace_queue_oldest_waiting_seconds', { queue })).toBe(1.5);
    expect(valueIn(families, 'millrace_queue_workers', { queue })).toBe(2);
    for (const role of ['queue', 'cache']) {
      expect(valueIn(families, 'millrace_redis_memory_bytes', { role })).toBeGreaterThan(100_000);
      expect(valueIn(families, 'millrace_redis_connections', { role })).toBeGreaterThan(0);
    }
  });

  it('keeps the last values within about 1 s while Redis hangs, and says that they are stale', async () => {
    const own = await startPrivateRedis();
    const client = await connect(own.url);
    const web = startProcess('', 'web', client);
    try {
      web.metrics.attempt(ATTEMPT);
      const before = await web.read();
      expect(valueIn(before, 'millrace_scrape_stale', { source: 'totals' })).toBe(0);
      own.pause();
      const startedMs = Date.now();
      const during = await web.read();
      expect(Date.now() - startedMs).toBeLessThan(2000);
      const { queue, job, outcome } = ATTEMPT;
      expect(valueIn(during, 'millrace_job_outcomes_total', { queue, job, outcome })).toBe(1);
      expect(valueIn(during, 'millrace_scrape_stale', { source: 'totals' })).toBe(1);
      expect(valueIn(during, 'millrace_scrape_stale', { source: 'redis' })).toBe(1);
      expect(valueIn(during, 'millrace_scrape_stale', { source: 'cache' })).toBe(0);
    } finally {
      own.resume();
      await closeRedis(client);
      await own.stop();
    }
  });

  it('starts and stops twice without harm', async () => {
    const { totals } = startProcess(newPrefix(), 'worker');
    await totals.start();
    await totals.start();
    await totals.stop(Deadline.in(1000));
    await totals.stop(Deadline.in(1000));
  });
});

describe('the figures of the business', () => {
  it('are three series; what is not known is no number', async () => {
    const page = await startProcess(newPrefix(), 'web').read();
    expect(valueIn(page, 'millrace_adaptation_accuracy', {})).toBe(0.25);
    expect(valueIn(page, 'millrace_feedback_trend', {})).toBeNaN();
    expect(valueIn(page, 'millrace_event_processing_rate', {})).toBeNaN();
  });
});

describe('docs/operations.md', () => {
  it('lists every metric of ours, and none that is not there', async () => {
    const web = startProcess(newPrefix(), 'web');
    web.metrics.attempt({ ...ATTEMPT, outcome: 'retry' });
    web.metrics.lockWait('profile', 1, 'held');
    web.metrics.cacheRead('hit');
    web.metrics.isolatedCrash('media', 'media.resize-image');
    web.metrics.request({ route: '/', method: 'GET', status: 200, ms: 1 });
    await expect
      .poll(async () => {
        web.metrics.sampleLoop();
        return (await web.read()).has('millrace_event_loop_delay_seconds');
      })
      .toBe(true);
    const shown = [...(await web.read()).keys()].filter((name) => name.startsWith('millrace_'));
    const page = await readFile(join(import.meta.dirname, '..', '..', 'docs', 'operations.md'), 'utf8');
    const listed = [...page.matchAll(/^\| `(millrace_[a-z_]+)`/gm)].map(([, name]) => name);
    expect(listed.sort()).toEqual(shown.sort());
  });
});
