/**
 * A queue with everything around it, to be asked the same three things again and again: what does a job cost one by
 * one, in bulk, and to work off. What a turn adds it works off, so that the queue stays as long as it was.
 */

import type { HttpLoad } from './http-load.ts';
import { measure } from './measure.ts';
import { CONCURRENCY, type JobExtras, type Millrace } from './millrace.ts';
import { type Line, QueueView } from './queue-view.ts';
import type { SectionForm } from './rounds.ts';
import type { Sample } from './samples.ts';
import type { Stage } from './stage.ts';

const SINGLES = 1000;
const BULK = 2000;
const SIZE = 100;
const FIRST_JOBS = 20;

export interface Player {
  readonly view: QueueView;
  /** Process numbers. */
  readonly adders: readonly number[];
  readonly workers: readonly number[];
  readonly redis: number;
  /** Milliseconds. */
  single(jobs: number): Promise<number>;
  bulk(jobs: number): Promise<number>;
}

/** The raw Worker, ready, with its queue seen from outside. */
export async function rawPlayer(
  stage: Stage,
  { redisUrl, redis, name, extras }: { redisUrl: string; redis: number; name: string; extras: JobExtras },
): Promise<Player> {
  const producer = stage.actor('suite/actors/bullmq.js');
  const worker = stage.actor('suite/actors/bullmq.js');
  const place = { redisUrl, databaseUrl: '', name };
  await Promise.all([producer.call('open', place), worker.call('open', place)]);
  const view = new QueueView(redisUrl, `${name}:work:`, undefined);
  stage.onEnd(() => view.close());
  await worker.call('work', CONCURRENCY);
  return {
    view,
    adders: [producer.pid],
    workers: [worker.pid],
    redis,
    single: (jobs) => producer.call('addSingly', jobs, 64, extras),
    bulk: (jobs) => producer.call('addInBatches', jobs, SIZE, 2, extras),
  };
}

/** Our service, over HTTP. */
export function ourPlayer(ours: Millrace, http: HttpLoad, redis: number, extras: JobExtras): Player {
  const load = async (targets: ReturnType<Millrace['single']>, connections: number, requests: number) => {
    const { failed, ms } = await http.client.call('load', targets, connections, { requests });
    if (failed > 0) throw new Error(`${failed} of ${requests} requests failed`);
    return ms;
  };
  return {
    view: ours.view,
    adders: ours.webs.map(({ pid }) => pid),
    workers: ours.workers.map(({ pid }) => pid),
    redis,
    single: (jobs) => load(ours.single('no-op', extras), 64, jobs),
    bulk: (jobs) => load(ours.bulk(SIZE, extras), 4, jobs / SIZE),
  };
}

/** Hold the queue and keep one of its jobs to copy from. Several are added: a process's first may be handled in haste. */
export async function prepare({ view, single }: Player, line: Line): Promise<void> {
  await view.hold();
  await single(FIRST_JOBS);
  await view.keepTemplate(line);
}

/** The sections that turns fill. */
export function turnForms(id: string, title: string, notes: readonly string[] = []): SectionForm[] {
  return [
    { id: `${id}-single`, title: `${title}: single enqueue, 64 at once`, compared: 'rate', notes },
    { id: `${id}-bulk`, title: `${title}: bulk of ${SIZE}`, compared: 'rate' },
    { id: `${id}-drain`, title: `${title}: drain, concurrency ${CONCURRENCY}`, compared: 'rate' },
  ];
}

/** All three, on a queue that is held. */
export async function takeTurn(player: Player, id: string): Promise<Record<string, Sample>> {
  const { adders, redis } = player;
  const onAdding = { node: adders, redis: [redis] };
  const single = await measure(onAdding, async () => ({ jobs: SINGLES, ms: await player.single(SINGLES) }));
  const bulk = await measure(onAdding, async () => ({ jobs: BULK, ms: await player.bulk(BULK) }));
  const drain = await drained(player, SINGLES + BULK);
  return { [`${id}-single`]: single, [`${id}-bulk`]: bulk, [`${id}-drain`]: drain };
}

/** Let so many jobs of a held queue be done, and hold it again. */
export async function drained({ view, workers, redis }: Player, jobs: number, postgres?: number): Promise<Sample> {
  const before = await view.completed();
  const watched = { node: workers, redis: [redis], ...(postgres !== undefined && { postgres: [postgres] }) };
  const sample = await measure(watched, async () => {
    await view.release();
    await view.untilCompleted(before + jobs);
    return { jobs };
  });
  await view.hold();
  return sample;
}
