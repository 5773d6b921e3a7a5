/** Working off a backlog of no-op jobs: our worker beside BullMQ's own. */

import { type Case, roundsOf, sized } from '../bench.ts';
import { HttpLoad } from '../http-load.ts';
import { CONCURRENCY, Millrace } from '../millrace.ts';
import { drained, ourPlayer, prepare, rawPlayer } from '../player.ts';
import { inRounds } from '../rounds.ts';
import { RAW_WORKER } from '../targets.ts';

export const drainCase: Case = async (stage) => {
  const [redis, cache, postgres] = await Promise.all([stage.redis(), stage.cache(), stage.postgres()]);
  const stores = { redis, cache, postgres };
  const jobs = sized(stage, 6000, 1000);
  const http = new HttpLoad(stage);
  const raw = await rawPlayer(stage, { redisUrl: redis.url, redis: redis.pid(), name: 'raw', extras: {} });
  const ours = await Millrace.start(stage, { ...stores, name: 'ours' });
  const quiet = await Millrace.start(stage, { ...stores, name: 'quiet', environment: { LOG_LEVEL: 'warn' } });
  const players = [
    { name: RAW_WORKER, player: raw },
    { name: 'ours', player: ourPlayer(ours, http, redis.pid(), {}) },
    { name: 'ours, LOG_LEVEL=warn', player: ourPlayer(quiet, http, redis.pid(), {}) },
  ];
  for (const { player } of players) await prepare(player, 'wait');
  const section = await inRounds(
    {
      id: 'drain',
      title: `Drain of ${jobs.toLocaleString('en')} waiting no-op jobs, concurrency ${CONCURRENCY}`,
      compared: 'rate',
      notes: ['Ours writes a log line a job at the default level, and keeps metrics and finished jobs for a day.'],
    },
    players.map(({ name, player }) => ({
      name,
      against: name === RAW_WORKER ? undefined : RAW_WORKER,
      slice: async () => {
        await player.view.fill('wait', jobs - (await player.view.length('wait')));
        return drained(player, jobs, name === RAW_WORKER ? undefined : postgres.pid());
      },
    })),
    roundsOf(stage),
  );
  return [section];
};
