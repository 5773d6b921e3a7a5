/** From the call that enqueues to the start of the handler, at a low rate and at half of what BullMQ can take. */

import { type Case, roundsOf, sized } from '../bench.ts';
import { HttpLoad } from '../http-load.ts';
import { CONCURRENCY, Millrace } from '../millrace.ts';
import { freeze, openPeers, type Pair, thaw } from '../peers.ts';
import { type Contender, inRounds } from '../rounds.ts';
import { quantile, type Sample } from '../samples.ts';
import type { Stage } from '../stage.ts';
import { RAW } from '../targets.ts';

const SLOW = 100;
/**
 * Jobs that everybody does first, and ours a second at which they come: at 100 a second it takes minutes until what runs
 * is compiled, and a service runs for days.
 */
const FIRST_JOBS = 20_000;
const FIRST_RATE = 2500;
/** Milliseconds that the last jobs of a slice may take to be reported. */
const LATE_MS = 20_000;

function sampleOf(delaysUs: readonly number[], sent: number, seconds: number): Sample {
  const ms = delaysUs.map((us) => us / 1000);
  return { rate: sent / seconds, p50Ms: quantile(ms, 0.5), p99Ms: quantile(ms, 0.99) };
}

async function pacedRival({ producer, worker }: Pair, perSecond: number, seconds: number): Promise<Sample> {
  const before = await worker.call('finished');
  await worker.call('delaysUs');
  const { sent, failed } = await producer.call('addPaced', perSecond, seconds);
  if (failed > 0) throw new Error(`${failed} of ${sent} adds failed`);
  await worker.call('reached', before + sent);
  return sampleOf(await worker.call('delaysUs'), sent, seconds);
}

/** Ours, with the delays that its handlers report. */
async function openOurs(stage: Stage, stores: Omit<Parameters<typeof Millrace.start>[1], 'name'>) {
  const http = new HttpLoad(stage);
  const ours = await Millrace.start(stage, { ...stores, name: 'ours' });
  let delaysUs: number[] = [];
  let more: (() => void) | undefined;
  for (const worker of ours.workers) {
    worker.onMessage((message) => {
      if (typeof message !== 'object' || message === null || !('delaysUs' in message)) return;
      delaysUs.push(...(message.delaysUs as number[]));
      more?.();
    });
  }
  return async (perSecond: number, seconds: number): Promise<Sample> => {
    delaysUs = [];
    const [target] = ours.single('timed');
    if (target === undefined) throw new Error('no web process');
    const { sent, failed } = await http.client.call('paced', target, perSecond, seconds);
    if (failed > 0) throw new Error(`${failed} of ${sent} requests failed`);
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${delaysUs.length} of ${sent} jobs ran`)), LATE_MS);
      more = () => {
        if (delaysUs.length < sent) return;
        clearTimeout(late);
        resolve();
      };
      more();
    });
    return sampleOf(delaysUs, sent, seconds);
  };
}

/** Jobs a second that BullMQ takes and runs at the same time, one by one. */
async function saturation({ producer, worker }: Pair, jobs: number): Promise<number> {
  const before = await worker.call('finished');
  const startedMs = performance.now();
  await producer.call('addSingly', jobs, 64);
  await worker.call('reached', before + jobs);
  await worker.call('delaysUs');
  return (jobs / (performance.now() - startedMs)) * 1000;
}

export const latencyCase: Case = async (stage) => {
  const [redis, cache, postgres] = await Promise.all([stage.redis(), stage.cache(), stage.postgres()]);
  const seconds = sized(stage, 4, 1);
  const raw: Pair = {
    producer: stage.actor('suite/actors/bullmq.js'),
    worker: stage.actor('suite/actors/bullmq.js'),
  };
  const place = { redisUrl: redis.url, databaseUrl: postgres.url, name: 'raw' };
  await Promise.all([raw.producer.call('open', place), raw.worker.call('open', place)]);
  await raw.worker.call('work', CONCURRENCY);
  const ours = await openOurs(stage, { redis, cache, postgres });
  const firstJobs = sized(stage, FIRST_JOBS, 2000);
  await saturation(raw, firstJobs);
  await ours(FIRST_RATE, Math.ceil(firstJobs / FIRST_RATE));
  const peers = await openPeers(stage, { redis, postgres });
  for (const peer of peers) {
    await peer.worker.call('work', CONCURRENCY);
    await saturation(peer, firstJobs);
    freeze(peer);
  }

  const both = (perSecond: number): Contender[] => [
    { name: RAW, slice: () => pacedRival(raw, perSecond, seconds) },
    { name: 'ours', against: RAW, slice: () => ours(perSecond, seconds) },
  ];
  const slow = await inRounds(
    {
      id: 'latency-100',
      title: `Enqueue to start of the handler, ${SLOW} jobs/s`,
      compared: 'p50Ms',
      notes: [
        'Ours comes over HTTP, the others from inside their producer.',
        `Everybody has done ${firstJobs.toLocaleString('en')} jobs before.`,
        'pg-boss is asked every 2 ms here; its own worker asks every half second at most.',
      ],
    },
    [
      ...both(SLOW),
      ...peers.map((peer) => ({
        name: peer.name,
        against: RAW,
        slice: async () => {
          thaw(peer);
          return pacedRival(peer, SLOW, seconds);
        },
        rest: async () => freeze(peer),
      })),
    ],
    roundsOf(stage),
  );
  const calibration = sized(stage, 6000, 1500);
  await saturation(raw, calibration);
  const half = Math.round((await saturation(raw, calibration)) / 2 / 50) * 50;
  const fast = await inRounds(
    {
      id: 'latency-half',
      title: `Enqueue to start of the handler, ${half.toLocaleString('en')} jobs/s: half of what raw BullMQ can take`,
      compared: 'p50Ms',
    },
    both(half),
    roundsOf(stage),
  );
  return [slow, fast];
};
