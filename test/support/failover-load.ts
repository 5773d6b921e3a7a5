/**
 * A service of real processes on a Redis topology, with a steady stream of jobs that each write one row: to see what a
 * failover costs.
 *
 * Promises: every answer is written down with the time at which it came; `stop` ends the processes and the stream.
 */

import { sql } from 'kysely';
import { connectDatabase, type Database } from '../../src/database/connection.ts';
import { eventually, freePort, MillraceProcess } from './millrace-process.ts';
import { FIXTURE_JOBS } from './producer-side.ts';
import type { World } from './world.ts';

/** An answer to one request. */
export interface Answer {
  /** The number that its job writes. */
  readonly n: number;
  /** 0: there was none, and `state` says why. */
  readonly status: number;
  readonly id: string;
  readonly state: string;
  /** Milliseconds since 1970. */
  readonly askedMs: number;
  readonly answeredMs: number;
}

export interface FailoverLoad {
  readonly web: MillraceProcess;
  readonly worker: MillraceProcess;
  readonly answers: readonly Answer[];
  /** Enqueue without a pause, `lines` requests at a time, until the returned function is called; it waits for the last. */
  stream(lines: number): () => Promise<void>;
  /** Resolve once so many requests more have been answered. */
  answered(more: number): Promise<void>;
  /** Resolve once an answer like this has come. */
  until(right: (answer: Answer) => boolean, ms: number): Promise<void>;
  /** What the jobs wrote: how often each number, and when it was first committed (milliseconds since 1970). */
  effects(): Promise<readonly { readonly n: number; readonly times: number; readonly atMs: number }[]>;
  /** Wait until every accepted job is completed. Throws after `ms` with those that are not. */
  completed(ms: number): Promise<void>;
  stop(): Promise<void>;
}

export interface FailoverLoadOptions {
  readonly world: World;
  readonly redisUrl: string;
  readonly queuePrefix: string;
  /** Milliseconds that each job takes, and how many run at once. */
  readonly jobMs: number;
  readonly concurrency: number;
}

/** Start a web process and a worker, and wait until they are ready. */
export async function startFailoverLoad(options: FailoverLoadOptions): Promise<FailoverLoad> {
  const { world, redisUrl, queuePrefix, jobMs, concurrency } = options;
  const { DATABASE_URL: url, DATABASE_SCHEMA: schema } = world.config;
  const database = connectDatabase({ url, schema, poolSize: 2, name: 'failover-load' });
  await sql`CREATE TABLE effects (n int, at timestamptz DEFAULT clock_timestamp())`.execute(database);
  const port = await freePort();
  const environment = {
    ...world.environment,
    PORT: String(port),
    REDIS_URL: redisUrl,
    QUEUE_PREFIX: queuePrefix,
    JOBS_DIR: FIXTURE_JOBS,
    LEARNING_QUEUE_CONCURRENCY: String(concurrency),
  };
  const web = new MillraceProcess('web', { environment });
  const worker = new MillraceProcess('worker', { environment });
  await Promise.all([web.printed('running'), worker.printed('running')]);
  const client = new Client(`http://127.0.0.1:${port}`, jobMs);
  await eventually(
    () => client.get('/readyz'),
    ({ status }) => status === 200,
    20_000,
  );
  return {
    web,
    worker,
    answers: client.answers,
    stream: (lines) => client.stream(lines),
    answered: (more) => client.answered(more),
    until: (right, ms) => client.until(right, ms),
    effects: () => readEffects(database),
    completed: (ms) => client.completed(ms),
    stop: async () => {
      await client.stop();
      await Promise.all([web.end('SIGKILL'), worker.end('SIGKILL')]);
      await database.destroy();
    },
  };
}

async function readEffects(database: Database) {
  const { rows } = await sql<{ n: number; times: number; at_ms: number }>`
    SELECT n, count(*)::int AS times, (extract(epoch FROM min(at)) * 1000)::float8 AS at_ms FROM effects GROUP BY n ORDER BY n
  `.execute(database);
  return rows.map(({ n, times, at_ms: atMs }) => ({ n, times, atMs }));
}

class Client {
  readonly answers: Answer[] = [];
  readonly #base: string;
  readonly #jobMs: number;
  readonly #streams = new Set<() => Promise<void>>();
  #next = 0;

  constructor(base: string, jobMs: number) {
    this.#base = base;
    this.#jobMs = jobMs;
  }

  stream(lines: number): () => Promise<void> {
    let on = true;
    const line = async () => {
      while (on && (await this.#enqueue()));
    };
    const running = Promise.all(Array.from({ length: lines }, line));
    const stop = async () => {
      on = false;
      this.#streams.delete(stop);
      await running;
    };
    this.#streams.add(stop);
    return stop;
  }

  async answered(more: number): Promise<void> {
    const wanted = this.answers.length + more;
    await eventually(
      async () => this.answers.length,
      (count) => count >= wanted,
      20_000,
    );
  }

  async until(right: (answer: Answer) => boolean, ms: number): Promise<void> {
    await eventually(
      async () => this.answers.some(right),
      (found) => found,
      ms,
    );
  }

  async get(path: string): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
    const response = await fetch(this.#base + path, { signal: AbortSignal.timeout(10_000) });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  async completed(ms: number): Promise<void> {
    let open = this.answers.filter(({ status }) => status === 202).map(({ id }) => id);
    await eventually(
      async () => {
        // The oldest alone first: while it is open there is no need to ask after all the others.
        for (let at = 0; at < open.length; at += 50) {
          const some = open.slice(at, at + 50);
          const views = await Promise.all(some.map((id) => this.get(`/v1/jobs/${id}`)));
          const left = some.filter((_id, index) => views[index]?.body.state !== 'completed');
          if (left.length > 0) {
            open = [...left, ...open.slice(at + 50)];
            return `${open.length} open, such as ${JSON.stringify(views.find(({ body }) => body.state !== 'completed'))}`;
          }
        }
        return 'none';
      },
      (left) => left === 'none',
      ms,
    );
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#streams].map((stop) => stop()));
  }

  /** False when there was no answer: then nobody asks on. */
  async #enqueue(): Promise<boolean> {
    const n = this.#next++;
    const askedMs = Date.now();
    const tell = (status: number, { id = '', state = '' }: { id?: string; state?: string }) =>
      this.answers.push({ n, status, id, state, askedMs, answeredMs: Date.now() });
    try {
      const response = await fetch(`${this.#base}/v1/jobs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ job: 'learning.slow', payload: { n, ms: this.#jobMs } }),
        signal: AbortSignal.timeout(10_000),
      });
      tell(response.status, (await response.json()) as { id?: string; state?: string });
      return true;
    } catch (error) {
      tell(0, { state: String(error) });
      return false;
    }
  }
}
