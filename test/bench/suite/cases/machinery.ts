/** What each thing that a job may declare costs: lock, effect with its ledger row, invalidation, event, all of them. */

import { type Case, roundsOf, sized } from '../bench.ts';
import { HttpLoad } from '../http-load.ts';
import { CONCURRENCY, Millrace } from '../millrace.ts';
import { drained, ourPlayer } from '../player.ts';
import { inRounds } from '../rounds.ts';

const BARE = 'no-op';
const JOBS = [BARE, 'locked', 'applied', 'invalidating', 'announcing', 'everything'];

export const machineryCase: Case = async (stage) => {
  const [redis, cache, postgres] = await Promise.all([stage.redis(), stage.cache(), stage.postgres()]);
  const jobs = sized(stage, 1500, 300);
  const http = new HttpLoad(stage);
  const ours = await Millrace.start(stage, { redis, cache, postgres, name: 'ours' });
  const player = ourPlayer(ours, http, redis.pid(), {});
  await player.view.hold();
  const section = await inRounds(
    {
      id: 'machinery',
      title: `What a declaration costs: drain of ${jobs.toLocaleString('en')} jobs, concurrency ${CONCURRENCY}`,
      compared: 'nodeUs',
      notes: ['PostgreSQL waits for its disk at each commit; the cache is a Redis of its own and not counted.'],
    },
    JOBS.map((job) => ({
      name: job,
      against: job === BARE ? undefined : BARE,
      slice: async () => {
        // Each job has a writer of its own: copies of one would stand in line for its lock.
        const { failed } = await http.client.call('load', ours.single(job), 32, { requests: jobs });
        if (failed > 0) throw new Error(`${failed} of ${jobs} requests failed`);
        return drained(player, jobs, postgres.pid());
      },
    })),
    roundsOf(stage),
  );
  return [section];
};
