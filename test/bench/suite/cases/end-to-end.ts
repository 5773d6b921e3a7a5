/** From the first job enqueued to the last one done, workers running: everybody at their best. */

import { type Case, roundsOf, sized } from '../bench.ts';
import { HttpLoad } from '../http-load.ts';
import { measure, type Watched } from '../measure.ts';
import { CONCURRENCY, Millrace } from '../millrace.ts';
import { freeze, openPeers, type Pair, thaw } from '../peers.ts';
import { type Contender, inRounds } from '../rounds.ts';
import { BEE_BULK, RAW_BULK } from '../targets.ts';

const SIZE = 100;
/** What each peer does best in one call. */
const PEER_SIZES: Readonly<Record<string, number>> = { 'pg-boss': 1000, 'graphile-worker': 1000 };
const BULK_CONNECTIONS = 4;

export const endToEndCase: Case = async (stage) => {
  const [redis, cache, postgres] = await Promise.all([stage.redis(), stage.cache(), stage.postgres()]);
  const jobs = sized(stage, 10_000, 2000);
  const http = new HttpLoad(stage);
  const raw: Pair = {
    producer: stage.actor('suite/actors/bullmq.js'),
    worker: stage.actor('suite/actors/bullmq.js'),
  };
  const place = { redisUrl: redis.url, databaseUrl: postgres.url, name: 'raw' };
  await Promise.all([raw.producer.call('open', place), raw.worker.call('open', place)]);
  await raw.worker.call('work', CONCURRENCY);
  freeze(raw);
  const ours = await Millrace.start(stage, { redis, cache, postgres, name: 'ours' });
  const peers = await openPeers(stage, { redis, postgres });
  for (const peer of peers) {
    await peer.worker.call('work', CONCURRENCY);
    freeze(peer);
  }

  const rival = (name: string, pair: Pair, size: number, more: Watched, against?: string): Contender => ({
    name,
    ...(against !== undefined && { against }),
    slice: async () => {
      const { producer, worker } = pair;
      thaw(pair);
      const before = await worker.call('finished');
      return measure({ node: [producer.pid, worker.pid], ...more }, async () => {
        const added = size === 1 ? producer.call('addSingly', jobs, 64) : producer.call('addInBatches', jobs, size, 2);
        await Promise.all([added, worker.call('reached', before + jobs)]);
        return { jobs };
      });
    },
    rest: async () => {
      await pair.worker.call('delaysUs');
      freeze(pair);
    },
  });
  const overHttp = (
    name: string,
    targets: ReturnType<Millrace['single']>,
    connections: number,
    size: number,
  ): Contender => ({
    name,
    against: RAW_BULK,
    slice: async () => {
      const before = await ours.view.completed();
      return measure({ node: ours.pids, redis: [redis.pid()], postgres: [postgres.pid()] }, async () => {
        const startedMs = performance.now();
        const sent = http.client.call('load', targets, connections, { requests: jobs / size });
        const [{ failed }] = await Promise.all([sent, ours.view.untilCompleted(before + jobs)]);
        const ms = performance.now() - startedMs;
        if (failed > 0) throw new Error(`${failed} requests failed`);
        // What the journal has to do afterwards belongs to these jobs too, and must not meet the next contender.
        await ours.settled();
        return { jobs, ms };
      });
    },
  });
  const onRedis = { redis: [redis.pid()] };
  const onPostgres = { postgres: [postgres.pid()] };
  const section = await inRounds(
    {
      id: 'end-to-end',
      title: `End to end: ${jobs.toLocaleString('en')} no-op jobs, concurrency ${CONCURRENCY}`,
      compared: 'rate',
      notes: [
        'Every contender has a producer and a worker process; ours has client, web and worker on the same cores.',
        'Ours includes the processor time that its journal needs afterwards, which is no part of the rate.',
        'Redis: AOF everysec; a PostgreSQL with asynchronous commit is about as durable. Ours syncs its journal before it answers.',
      ],
    },
    [
      rival(RAW_BULK, raw, SIZE, onRedis),
      rival('raw add, 64 in flight', raw, 1, onRedis, RAW_BULK),
      overHttp('ours, HTTP bulk', ours.bulk(SIZE), BULK_CONNECTIONS, SIZE),
      overHttp('ours, HTTP one by one', ours.single(), 64, 1),
      ...peers.flatMap((peer) => {
        const isBee = peer.file === 'bee-queue';
        const bulk = rival(
          isBee ? BEE_BULK : peer.name,
          peer,
          PEER_SIZES[peer.file] ?? SIZE,
          peer.on === 'redis' ? onRedis : onPostgres,
          RAW_BULK,
        );
        return isBee ? [rival('bee-queue, single', peer, 1, onRedis, RAW_BULK), bulk] : [bulk];
      }),
    ],
    roundsOf(stage),
  );
  return [section];
};
