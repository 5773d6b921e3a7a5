/** What a waiting job of about 200 bytes takes in Redis, with the two settings that matter. */

import type { Redis } from 'ioredis';
import { type Case, sized } from '../bench.ts';
import { HttpLoad } from '../http-load.ts';
import { Millrace } from '../millrace.ts';
import { openPeers } from '../peers.ts';
import { QueueView } from '../queue-view.ts';
import { inRounds } from '../rounds.ts';
import type { Section } from '../samples.ts';
import type { Stage } from '../stage.ts';
import { RAW } from '../targets.ts';

/** Data in Redis without what its connections and its append-only file hold for the moment. */
async function dataBytes(redis: Redis): Promise<number> {
  const info = await redis.info('memory');
  const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
  return field('used_memory') - field('mem_clients_normal') - field('mem_aof_buffer');
}

export const memoryCase: Case = async (stage) => [await withListpack(stage, 64), await withListpack(stage, 1024)];

async function withListpack(stage: Stage, longest: number): Promise<Section> {
  const { bench } = stage;
  const jobs = sized(stage, 20_000, 2000);
  const [redis, cache, postgres] = await Promise.all([
    stage.redis(`hash-max-listpack-value ${longest}`),
    stage.cache(),
    stage.postgres(),
  ]);
  const http = new HttpLoad(stage);
  const ours = await Millrace.start(stage, { redis, cache, postgres, name: 'ours', workers: 0 });
  const raw = stage.actor('suite/actors/bullmq.js');
  await raw.call('open', { redisUrl: redis.url, databaseUrl: postgres.url, name: 'raw' });
  const peers = (await openPeers(stage, { redis, postgres })).filter(({ on }) => on === 'redis');
  const view = new QueueView(redis.url, 'raw:work:', undefined);
  stage.onEnd(() => view.close());

  const contender = (name: string, add: () => Promise<unknown>) => ({
    name,
    ...(name !== RAW && { against: RAW }),
    slice: async () => {
      const before = await dataBytes(view.redis);
      await add();
      return { bytes: ((await dataBytes(view.redis)) - before) / jobs };
    },
  });
  return inRounds(
    {
      id: `memory-${longest}`,
      title: `Redis bytes per waiting job, hash-max-listpack-value ${longest}`,
      compared: 'bytes',
      notes: ['Two rounds, whatever was asked for: it does not vary.'],
    },
    [
      contender(RAW, () => raw.call('addInBatches', jobs, 100, 2)),
      contender('ours', async () => {
        const { failed } = await http.client.call('load', ours.single(), 64, { requests: jobs });
        if (failed > 0) throw new Error(`${failed} of ${jobs} requests failed`);
      }),
      ...peers.map(({ name, producer }) => contender(name, () => producer.call('addInBatches', jobs, 100, 2))),
    ],
    { rounds: sized(stage, 2, 1), say: (line) => bench.say(line) },
  );
}
