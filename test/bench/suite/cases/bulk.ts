/** Many jobs a request, as a JSON array and as a stream of lines, beside BullMQ's own bulk call. */

import type { Target } from '../actors/http-client.ts';
import type { UsualWebCommands } from '../actors/usual-web.ts';
import { type Case, roundsOf } from '../bench.ts';
import { HttpLoad } from '../http-load.ts';
import { measure } from '../measure.ts';
import { Millrace, usualTarget } from '../millrace.ts';
import { type Contender, inRounds } from '../rounds.ts';
import { RAW_BULK } from '../targets.ts';

const CONNECTIONS = 8;
const SIZE = 100;
const LINES = 500;

export const bulkCase: Case = async (stage) => {
  const [redis, cache, postgres] = await Promise.all([stage.redis(), stage.cache(), stage.postgres()]);
  const stores = { redis, cache, postgres };
  const seconds = 1;
  const http = new HttpLoad(stage);
  const usual = stage.actor<UsualWebCommands>('suite/actors/usual-web.js');
  const usualPort = await usual.call('open', redis.url, 'usual');
  const raw = stage.actor('suite/actors/bullmq.js');
  await raw.call('open', { redisUrl: redis.url, databaseUrl: postgres.url, name: 'raw' });
  const ours = await Millrace.start(stage, { ...stores, name: 'ours' });
  const without = await Millrace.start(stage, { ...stores, name: 'ours-redis', environment: { ACCEPT: 'redis' } });
  for (const service of [ours, without]) service.freezeWorkers();

  const load = (node: readonly number[], targets: readonly Target[], size: number) =>
    measure({ node, redis: [redis.pid()] }, async () => {
      const { jobs, ms } = await http.busy(targets, CONNECTIONS, seconds);
      return { jobs: jobs * size, ms };
    });
  const ourContender = (name: string, service: Millrace, targets: readonly Target[], size: number): Contender => ({
    name,
    against: RAW_BULK,
    slice: () =>
      load(
        service.webs.map(({ pid }) => pid),
        targets,
        size,
      ),
  });
  const rawContender = (name: string, inFlight: number): Contender => ({
    name,
    against: name === RAW_BULK ? undefined : RAW_BULK,
    slice: () =>
      measure({ node: [raw.pid], redis: [redis.pid()] }, () => raw.call('addFor', seconds * 1000, SIZE, inFlight)),
  });
  const section = await inRounds(
    {
      id: 'bulk',
      title: `Bulk enqueue; over HTTP with ${CONNECTIONS} connections`,
      compared: 'rate',
      notes: ['Raw addBulk(100) runs with two calls in flight, which is its best here.'],
    },
    [
      rawContender(RAW_BULK, 2),
      rawContender(`${RAW_BULK}, one at a time`, 1),
      {
        name: 'Express + zod + addBulk, array of 100',
        against: RAW_BULK,
        slice: () => load([usual.pid], [usualTarget(usualPort, SIZE)], SIZE),
      },
      ourContender('ours, JSON array of 100', ours, ours.bulk(SIZE), SIZE),
      ourContender(`ours, NDJSON, ${LINES} lines a request`, ours, ours.lines(LINES), LINES),
      ourContender('ours, JSON array of 100, ACCEPT=redis', without, without.bulk(SIZE), SIZE),
      ourContender(`ours, NDJSON, ${LINES} lines, ACCEPT=redis`, without, without.lines(LINES), LINES),
    ],
    {
      ...roundsOf(stage),
      afterRound: async () => {
        await Promise.all([ours, without].map((service) => service.clear()));
      },
    },
  );
  return [section];
};
