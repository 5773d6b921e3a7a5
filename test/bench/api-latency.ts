/**
 * How long callers wait: save-edits, and a style profile from the cache and from PostgreSQL, side by side in one run.
 *
 *   npm run bench:api            needs nothing: it starts its own stores, a web process and a worker
 *
 * The two kinds of read are interleaved request by request. Prints p50, p95 and p99 in milliseconds. The targets are
 * those of the seeds (S2-05): saving under 100 ms, a cached read under 5 ms, both at p95.
 */

import { rm } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { migrateDatabase } from '../../src/database/migrate.ts';
import { Deadline } from '../../src/lifecycle.ts';
import { startPostgres } from '../../src/local/postgres.ts';
import { startRedis } from '../../src/local/redis.ts';
import { buildOnce, endAll, freePort, MillraceProcess } from '../support/millrace-process.ts';
import { redisProgram, temporaryFolder } from '../support/stores.ts';

const SAVES = 600;
const READS = 2000;
/** Callers at once. Reads are made one after the other: what is asked is what one caller waits. */
const SAVING = 8;
const READING = 1;
const WRITERS = 50;

const print = (line: string) => void process.stdout.write(`${line}\n`);
const at = (sorted: readonly number[], share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;

/** Run `count` calls, `atOnce` at a time; the milliseconds of each, sorted. */
async function measure(count: number, atOnce: number, call: (index: number) => Promise<void>): Promise<number[]> {
  const times: number[] = [];
  let next = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let index = next++; index < count; index = next++) {
        const startedMs = performance.now();
        await call(index);
        times.push(performance.now() - startedMs);
      }
    }),
  );
  return times.sort((a, b) => a - b);
}

async function ask(url: string, wanted: number, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(10_000) });
  await response.arrayBuffer();
  if (response.status !== wanted) throw new Error(`${url} answered ${response.status}`);
  return response;
}

async function run(base: string): Promise<void> {
  const save = async (index: number) => {
    const body = {
      userId: `writer-${index % WRITERS}`,
      originalText: `I would like to utilize the plan number ${index}, which is quite good.`,
      editedText: `Let's use plan ${index}.`,
    };
    const headers = { 'content-type': 'application/json' };
    await ask(`${base}/api/content/c-${index}/save-edits`, 202, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
  };
  await measure(50, SAVING, save);
  const saves = await measure(SAVES, SAVING, save);
  const hits: number[] = [];
  const misses: number[] = [];
  await ask(`${base}/api/profile/style?userId=writer-0`, 200);
  await measure(READS, READING, async (index) => {
    // Every second read is of a writer that nobody has asked for yet.
    const userId = index % 2 === 0 ? 'writer-0' : `fresh-${index}`;
    const startedMs = performance.now();
    const response = await ask(`${base}/api/profile/style?userId=${userId}`, 200);
    (response.headers.get('x-cache') === 'hit' ? hits : misses).push(performance.now() - startedMs);
  });
  print(
    `${cpus().length} cores, Node ${process.versions.node}, saves ${SAVING} at once, reads one by one; the client shares the machine`,
  );
  print('');
  print('case                              count     p50     p95     p99   target p95');
  const rows: [string, number[], string][] = [
    ['save-edits, a worker learning', saves, '100'],
    ['style profile, cached', hits.sort((a, b) => a - b), '5'],
    ['style profile, from PostgreSQL', misses.sort((a, b) => a - b), '-'],
  ];
  for (const [name, times, target] of rows) {
    const figures = [0.5, 0.95, 0.99].map((share) => at(times, share).toFixed(1).padStart(8)).join('');
    print(`${name.padEnd(32)}${String(times.length).padStart(7)}${figures}${target.padStart(13)}`);
  }
}

buildOnce();
const folder = await temporaryFolder();
const program = await redisProgram();
const stores = await Promise.all([
  startRedis({ program, folder: join(folder, 'redis'), kind: 'queue', settings: [] }),
  startRedis({ program, folder: join(folder, 'cache'), kind: 'cache', settings: [] }),
  startPostgres({ folder: join(folder, 'postgres'), settings: {}, initFlags: [] }),
]);
try {
  const [redis, cache, postgres] = stores;
  await migrateDatabase({ url: postgres.url, schema: 'public' });
  const port = await freePort();
  const environment = {
    REDIS_URL: redis.url,
    REDIS_CACHE_URL: cache.url,
    DATABASE_URL: postgres.url,
    PORT: String(port),
    AUTH: 'off',
    EDIT_BATCH_WINDOW_MINUTES: '0.03',
    LEARNING_RATE_LIMIT_MINUTES: '0.03',
  };
  const [web, worker] = (['web', 'worker'] as const).map(
    (role) => new MillraceProcess(role, { environment, built: true }),
  );
  await Promise.all([web?.printed('running'), worker?.printed('running')]);
  await run(`http://127.0.0.1:${port}`);
} finally {
  await endAll();
  await Promise.all(stores.map((store) => store.stop(Deadline.in(5000))));
  await rm(folder, { recursive: true, force: true });
}
