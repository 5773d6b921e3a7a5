/**
 * What the stores of the service under test know of a run, for the checker, and whether anything is still under way.
 *
 * Promises: it reads past the proxies, page by page; it changes nothing.
 */

import { Redis } from 'ioredis';
import { z } from 'zod';
import { parsePrometheus } from '../../support/prometheus.ts';
import { linesOf } from './driver-log.ts';
import type { Evidence, JobPlace, JournalLook, StandingJob } from './evidence.ts';
import { runsOf } from './runs-file.ts';
import type { Service } from './service.ts';

const PAGE = 1000;
const EFFECTS_PAGE = 20_000;

/** BullMQ's lists and sorted sets, and what a job in them is. */
const PLACES: readonly (readonly [string, 'list' | 'zset', JobPlace])[] = [
  ['wait', 'list', 'waiting'],
  ['paused', 'list', 'waiting'],
  ['prioritized', 'zset', 'waiting'],
  ['active', 'list', 'active'],
  ['delayed', 'zset', 'delayed'],
  ['completed', 'zset', 'completed'],
  ['failed', 'zset', 'failed'],
];

const envelope = z.object({ payload: z.object({ n: z.int() }) });

/** A client of the harness's own. */
export function openRedis(service: Service): Redis {
  const redis = new Redis(service.redis.url, { connectionName: 'chaos', maxRetriesPerRequest: 3 });
  // While its Redis is being killed it only tries again.
  redis.on('error', () => undefined);
  return redis;
}

/** Everything the checker needs of a run that lies in `[from, to)`. */
export function gatherEvidence(
  service: Service,
  redis: Redis,
  { log, from, to }: { log: string; from: number; to: number },
  journal: JournalLook,
): Evidence {
  return {
    lines: () => linesOf(log),
    effects: () => effectsOf(service, from, to),
    runs: () => runsOf(service.runsFile, from, to),
    jobs: () => jobsOf(service, redis),
    tombstones: () => tombstonesOf(service),
    journal,
  };
}

async function* effectsOf(service: Service, from: number, to: number) {
  let after = 0;
  for (;;) {
    const page = await service.withDatabase((client) =>
      client.query<{ seq: string; n: string; job_id: string }>(
        'SELECT seq, n, job_id FROM chaos_effects WHERE seq > $1 AND n >= $2 AND n < $3 ORDER BY seq LIMIT $4',
        [after, from, to, EFFECTS_PAGE],
      ),
    );
    for (const row of page.rows) yield { n: Number(row.n), id: row.job_id };
    if (page.rows.length < EFFECTS_PAGE) return;
    after = Number(page.rows.at(-1)?.seq);
  }
}

async function* jobsOf(service: Service, redis: Redis): AsyncGenerator<StandingJob> {
  for (const queue of service.queues) {
    for (const [name, type, state] of PLACES) {
      const key = `${service.queuePrefix}:${queue}:${name}`;
      for (let start = 0; ; start += PAGE) {
        const end = start + PAGE - 1;
        const ids = type === 'list' ? await redis.lrange(key, start, end) : await redis.zrange(key, start, String(end));
        yield* readJobs(redis, `${service.queuePrefix}:${queue}`, ids, state);
        if (ids.length < PAGE) break;
      }
    }
  }
}

async function* readJobs(redis: Redis, prefix: string, ids: readonly string[], state: JobPlace) {
  const pipeline = redis.pipeline();
  for (const id of ids) pipeline.hmget(`${prefix}:${id}`, 'data', 'failedReason');
  const replies = (await pipeline.exec()) ?? [];
  for (const [i, [error, reply]] of replies.entries()) {
    if (error !== null) throw error;
    const id = ids[i] ?? '';
    const [data, reason] = reply as [string | null, string | null];
    if (data === null) continue;
    const parsed = envelope.safeParse(JSON.parse(data));
    if (!parsed.success) continue;
    yield { n: parsed.data.payload.n, id, state, code: /^([a-z-]+): /.exec(reason ?? '')?.[1] };
  }
}

async function* tombstonesOf(service: Service) {
  const { rows } = await service.withDatabase((client) =>
    client.query<{ job_id: string }>("SELECT job_id FROM ledger WHERE outcome = 'cancelled'"),
  );
  for (const row of rows) yield row.job_id;
}

const GAUGES = {
  pending: 'millrace_journal_pending_jobs',
  open: 'millrace_journal_open_jobs',
  setAside: 'millrace_journal_set_aside_jobs',
} as const;

/** What the journals of all web processes hold, by their own gauges. Throws when one does not tell. */
export async function lookAtJournals(service: Service): Promise<JournalLook> {
  const looks = await Promise.all(service.webPorts.map(lookAtJournal));
  const sum = (name: keyof JournalLook) => looks.reduce((total, look) => total + look[name], 0);
  // What was set aside lies in one folder, which each of them counts.
  return { pending: sum('pending'), open: sum('open'), setAside: Math.max(...looks.map(({ setAside }) => setAside)) };
}

async function lookAtJournal(port: number): Promise<JournalLook> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(5000) });
  const families = parsePrometheus(await answer.text());
  const read = (name: string) => {
    const samples = families.get(name)?.samples;
    if (samples === undefined || samples.length === 0) throw new Error(`The web process does not tell ${name}.`);
    return samples.reduce((total, { value }) => total + value, 0);
  };
  return { pending: read(GAUGES.pending), open: read(GAUGES.open), setAside: read(GAUGES.setAside) };
}

/** How much of the work is still in Redis. */
export async function lookAtQueues(service: Service, redis: Redis) {
  const counts = { waiting: 0, active: 0, delayed: 0 };
  for (const queue of service.queues) {
    for (const [name, type, state] of PLACES) {
      if (state === 'completed' || state === 'failed') continue;
      const key = `${service.queuePrefix}:${queue}:${name}`;
      counts[state] += type === 'list' ? await redis.llen(key) : await redis.zcard(key);
    }
  }
  return counts;
}
