/**
 * Random faults, one after the other: what the claim run is run under.
 *
 * Promises: each is undone when its call resolves; which come, in which order and for how long follows from the row of
 * random numbers alone.
 */

import { emptyAndSetBack, killMidRequest, loseWebAndEmpty, loseWebWhileAway, setBack, type Target } from './blows.ts';
import { type Conduct, PASS, type TcpProxy } from './proxy.ts';
import type { Random } from './seed.ts';
import type { Service } from './service.ts';
import type { ServiceProcess } from './service-process.ts';

interface Weather {
  readonly name: string;
  /** How often, beside the others. */
  readonly weight: number;
  run(sky: Target): Promise<void>;
}

const SHORTEST_MS = 200;
const LONGEST_MS = 6000;
const ROOM_BYTES = 16 * 1024;

function lasting({ service, random }: Target): Promise<void> {
  return service.clock.after(random.whole(SHORTEST_MS, LONGEST_MS));
}

/** Lines behave like this for a while. */
function line(name: string, weight: number, of: (service: Service) => readonly TcpProxy[], conduct: Conduct): Weather {
  return {
    name,
    weight,
    run: async (sky) => {
      const proxies = of(sky.service);
      await Promise.all(proxies.map((proxy) => proxy.behave(conduct)));
      await lasting(sky);
      await Promise.all(proxies.map((proxy) => proxy.behave(PASS)));
    },
  };
}

const redisLines = ({ redisLines: lines }: Service) => lines;
const webRedis = ({ lines }: Service) => [lines.webRedis];
const postgresLines = ({ lines }: Service) => [lines.webPostgres, lines.workerPostgres];
const fronts = ({ lines }: Service) => lines.fronts;

async function strikeAndStart(process: ServiceProcess): Promise<void> {
  await process.kill();
  await process.start();
}

export const WEATHER: readonly Weather[] = [
  line('redis-black-hole', 2, redisLines, { kind: 'swallow' }),
  line('redis-half-open-up', 1, redisLines, { kind: 'half-open', lost: 'up' }),
  line('redis-half-open-down', 2, redisLines, { kind: 'half-open', lost: 'down' }),
  line('redis-stalled', 2, redisLines, { kind: 'stall' }),
  line('redis-reset', 2, redisLines, { kind: 'reset' }),
  line('redis-refused-to-web', 1, webRedis, { kind: 'refuse' }),
  line('redis-slow', 1, redisLines, { kind: 'delay', ms: 10, jitterMs: 60 }),
  line('redis-thin', 1, redisLines, { kind: 'trickle', bytesPerSecond: 100_000 }),
  line('redis-cut', 2, redisLines, { kind: 'cut', share: 0.02 }),
  line('answers-eaten', 4, ({ proxies }) => proxies, { kind: 'eat', share: 0.01 }),
  line('postgres-cut', 1, postgresLines, { kind: 'cut', share: 0.02 }),
  line('postgres-refused', 1, postgresLines, { kind: 'refuse' }),
  line('front-cut', 2, fronts, { kind: 'cut', share: 0.1 }),
  {
    name: 'redis-killed',
    weight: 4,
    run: async (sky) => {
      await sky.service.redis.kill();
      await lasting(sky);
      await sky.service.redis.restart();
    },
  },
  {
    name: 'redis-paused',
    weight: 3,
    run: async (sky) => {
      sky.service.redis.pause();
      await lasting(sky);
      sky.service.redis.resume();
    },
  },
  {
    name: 'redis-full',
    weight: 2,
    run: async (sky) => {
      const used = Number(/used_memory:(\d+)/.exec(await sky.redis.info('memory'))?.[1]);
      await sky.redis.config('SET', 'maxmemory', String(used + ROOM_BYTES));
      await lasting(sky);
      await sky.redis.config('SET', 'maxmemory', '0');
    },
  },
  { name: 'redis-emptied', weight: 2, run: async ({ redis }) => void (await redis.flushall()) },
  {
    name: 'postgres-killed',
    weight: 2,
    run: async (sky) => {
      await sky.service.postgres.kill();
      await lasting(sky);
      await sky.service.postgres.restart();
    },
  },
  { name: 'redis-set-back', weight: 2, run: (sky) => setBack(sky, sky.random.whole(SHORTEST_MS, LONGEST_MS)) },
  { name: 'redis-emptied-and-set-back', weight: 1, run: (sky) => emptyAndSetBack(sky, sky.random.whole(500, 3000)) },
  { name: 'web-killed-mid-request', weight: 4, run: killMidRequest },
  { name: 'web-lost-and-redis-emptied', weight: 2, run: loseWebAndEmpty },
  { name: 'web-lost-while-redis-away', weight: 2, run: loseWebWhileAway },
  { name: 'worker-killed', weight: 4, run: ({ service, random }) => strikeAndStart(random.pick(service.workers)) },
  {
    name: 'process-restarted',
    weight: 2,
    run: async ({ service, random }) => {
      const process = random.pick(service.processes);
      await process.end('SIGTERM');
      await process.start();
    },
  },
];

/** The next fault. */
export function nextWeather(random: Random): Weather {
  return random.weighted(WEATHER.map((weather) => [weather, weather.weight] as const));
}
