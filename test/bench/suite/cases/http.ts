/** One job a request: the usual service, ours with its journal, without it, and in two processes. */

import type { UsualWebCommands } from '../actors/usual-web.ts';
import { type Case, roundsOf, sized } from '../bench.ts';
import { HttpLoad } from '../http-load.ts';
import { measure } from '../measure.ts';
import { Millrace, usualTarget } from '../millrace.ts';
import { type Contender, inRounds } from '../rounds.ts';
import type { Section } from '../samples.ts';
import { USUAL } from '../targets.ts';

const CONNECTIONS = [64, 256];
/** Turns after which hardly anybody becomes faster: the slowest has answered some 25,000 requests by then. */
const WARM_UPS = 3;

export const httpCase: Case = async (stage) => {
  const [redis, cache, postgres] = await Promise.all([stage.redis(), stage.cache(), stage.postgres()]);
  const stores = { redis, cache, postgres };
  const seconds = sized(stage, 2, 1);
  const http = new HttpLoad(stage);
  const usual = stage.actor<UsualWebCommands>('suite/actors/usual-web.js');
  const usualPort = await usual.call('open', redis.url, 'usual');
  const raw = stage.actor('suite/actors/bullmq.js');
  await raw.call('open', { redisUrl: redis.url, databaseUrl: postgres.url, name: 'raw' });
  const ours: readonly [name: string, service: Millrace][] = [
    ['ours', await Millrace.start(stage, { ...stores, name: 'ours' })],
    [
      'ours, ACCEPT=redis',
      await Millrace.start(stage, { ...stores, name: 'ours-redis', environment: { ACCEPT: 'redis' } }),
    ],
    ['ours, two web processes', await Millrace.start(stage, { ...stores, name: 'ours-two', webs: 2 })],
  ];
  for (const [, service] of ours) service.freezeWorkers();

  const at = (connections: number): Promise<Section> => {
    const contenders: Contender[] = [
      {
        name: USUAL,
        slice: () =>
          measure({ node: [usual.pid], redis: [redis.pid()] }, () =>
            http.busy([usualTarget(usualPort)], connections, seconds),
          ),
      },
      ...ours.map(([name, service]) => ({
        name,
        against: USUAL,
        slice: () =>
          measure({ node: service.webs.map(({ pid }) => pid), redis: [redis.pid()] }, () =>
            http.busy(service.single(), connections, seconds),
          ),
      })),
      {
        name: `raw queue.add, ${connections} in flight, no HTTP`,
        against: USUAL,
        slice: () =>
          measure({ node: [raw.pid], redis: [redis.pid()] }, () => raw.call('addFor', seconds * 1000, 1, connections)),
      },
    ];
    const form = {
      id: `http-${connections}`,
      title: `Single enqueue over HTTP, ${connections} connections`,
      compared: 'rate',
      notes: ['Redis: AOF everysec. Ours checks an API key; the usual one has none to check.'],
    } as const;
    const afterRound = async () => {
      await Promise.all(ours.map(([, service]) => service.clear()));
    };
    return inRounds(form, contenders, { ...roundsOf(stage), warmUps: sized(stage, WARM_UPS, 1), afterRound });
  };
  const sections: Section[] = [];
  for (const connections of CONNECTIONS) sections.push(await at(connections));
  return sections;
};
