/** What can happen to the queue Redis, and on the lines to it. */

import { emptyAndSetBack, setBack } from './blows.ts';
import { type Fault, outage, type Scene } from './fault.ts';
import { type Conduct, PASS, type TcpProxy } from './proxy.ts';
import { demandUnaffected, demandWorking } from './recovery.ts';
import { lookAtQueues } from './store-evidence.ts';

const behave = async (proxies: readonly TcpProxy[], conduct: Conduct) => {
  await Promise.all(proxies.map((proxy) => proxy.behave(conduct)));
};

/** The lines to Redis behave like this for a while; callers do not notice, workers go on afterwards. */
async function disturb(scene: Scene, ms: number, conduct: Conduct): Promise<void> {
  const { redisLines } = scene.service;
  const watch = await outage(scene, {
    ms,
    what: `lines to Redis, ${JSON.stringify(conduct)}`,
    away: () => behave(redisLines, conduct),
    back: () => behave(redisLines, PASS),
  });
  await demandWorking(scene);
  demandUnaffected(scene, watch);
}

/** How often Redis has said OOM since it was started. */
async function writesRefused({ redis }: Scene): Promise<number> {
  return Number(/errorstat_OOM:count=(\d+)/.exec(await redis.info('errorstats'))?.[1] ?? 0);
}

/** Milliseconds from which on a copy is so old that only jobs delayed for long can be older. */
const OLD_MS = 8000;

/** Memory that it may take beyond what it uses already. */
const ROOM_BYTES = 16 * 1024;

export const REDIS_FAULTS: readonly Fault[] = [
  {
    name: 'redis-killed',
    how: 'kill -9 of Redis, started again on its files',
    holds: 'enqueue answers 202 all along; workers take jobs again within 2 s',
    doses: { unit: 'ms', short: [3000], long: [3000, 15_000, 60_000] },
    run: async (scene, ms) => {
      const { redis } = scene.service;
      const watch = await outage(scene, { ms, what: 'Redis', away: () => redis.kill(), back: () => redis.restart() });
      await demandWorking(scene);
      demandUnaffected(scene, watch);
    },
  },
  {
    name: 'redis-paused',
    how: 'SIGSTOP of Redis, then SIGCONT: what was sent meanwhile runs late',
    holds: 'enqueue answers 202 all along; workers take jobs again within 2 s',
    doses: { unit: 'ms', short: [5000], long: [30_000] },
    run: async (scene, ms) => {
      const { redis } = scene.service;
      const watch = await outage(scene, {
        ms,
        what: 'Redis, paused',
        away: async () => redis.pause(),
        back: async () => redis.resume(),
      });
      await demandWorking(scene);
      demandUnaffected(scene, watch);
    },
  },
  {
    name: 'redis-full',
    how: 'CONFIG SET maxmemory just above what is used, under noeviction; raised again later',
    holds: 'enqueue answers 202 all along; workers take jobs again within 2 s',
    doses: { unit: 'ms', short: [4000], long: [20_000] },
    run: async (scene, ms) => {
      const { redis } = scene;
      const refusedBefore = await writesRefused(scene);
      const watch = await outage(scene, {
        ms,
        what: 'Redis, out of memory',
        away: async () => {
          const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
          await redis.config('SET', 'maxmemory', String(used + ROOM_BYTES));
        },
        back: async () => void (await redis.config('SET', 'maxmemory', '0')),
      });
      await demandWorking(scene);
      demandUnaffected(scene, watch);
      const refused = (await writesRefused(scene)) - refusedBefore;
      scene.demand('writes that Redis refused', refused > 0, String(refused));
    },
  },
  {
    name: 'redis-black-hole',
    how: 'the lines to Redis accept connections and swallow every byte; reset when they are back',
    holds: 'enqueue answers 202 all along; workers take jobs again within 2 s',
    doses: { unit: 'ms', short: [5000], long: [30_000] },
    run: (scene, ms) => disturb(scene, ms, { kind: 'swallow' }),
  },
  {
    name: 'redis-half-open',
    how: 'the lines to Redis lose every byte of one direction, chosen by the seed',
    holds: 'enqueue answers 202 all along, also where commands run and their answers are lost',
    doses: { unit: 'ms', short: [4000], long: [20_000] },
    run: (scene, ms) => disturb(scene, ms, { kind: 'half-open', lost: scene.random.pick(['up', 'down'] as const) }),
  },
  {
    name: 'redis-stalled',
    how: 'nothing moves on the lines to Redis; then everything arrives at once, given up or not',
    holds: 'enqueue answers 202 all along; commands that run late do no harm',
    doses: { unit: 'ms', short: [4000], long: [20_000] },
    run: (scene, ms) => disturb(scene, ms, { kind: 'stall' }),
  },
  {
    name: 'redis-slow',
    how: 'the lines to Redis are 20–60 ms late each way, then thin (60 kB/s), then reset again and again',
    holds: 'enqueue answers 202 all along',
    doses: { unit: 'ms', short: [1500], long: [10_000] },
    run: async (scene, ms) => {
      await disturb(scene, ms, { kind: 'delay', ms: 20, jitterMs: 40 });
      await disturb(scene, ms, { kind: 'trickle', bytesPerSecond: 60_000 });
      await disturb(scene, ms, { kind: 'cut', share: 0.02 });
    },
  },
  {
    name: 'answers-eaten',
    how: 'on every line 1 % of the answers are lost after the command ran, and the connection is reset',
    holds: 'what callers were not told happened at most once',
    doses: { unit: 'ms', short: [5000], long: [60_000] },
    run: async (scene, ms) => {
      const { proxies } = scene.service;
      const watch = await outage(scene, {
        ms,
        what: '1 % of the answers on every line',
        away: () => behave(proxies, { kind: 'eat', share: 0.01 }),
        back: () => behave(proxies, PASS),
      });
      const eaten = proxies.reduce((sum, { did }) => sum + did.eaten, 0);
      scene.report('callers meanwhile', watch.toString());
      scene.demand('answers eaten', eaten > 0, String(eaten));
    },
  },
  {
    name: 'redis-emptied',
    how: 'FLUSHALL under load',
    holds: 'enqueue answers 202 all along; everything unfinished is handed over again',
    doses: { unit: 'times', short: [2], long: [10] },
    load: { rate: 250 },
    run: async (scene, times) => {
      for (let i = 0; i < times; i++) {
        const { waiting, active, delayed } = await lookAtQueues(scene.service, scene.redis);
        const watch = scene.driver.watch();
        await scene.redis.flushall();
        scene.note(`Redis: FLUSHALL, with ${waiting} waiting, ${active} active and ${delayed} delayed jobs`);
        scene.demand(
          'unfinished jobs in Redis when it was emptied',
          waiting + active + delayed > 0,
          `${waiting + active + delayed}`,
        );
        await scene.clock.after(scene.random.whole(1000, 2000));
        watch.close();
        demandUnaffected(scene, watch);
      }
    },
  },
  {
    name: 'redis-set-back',
    how: 'kill -9 of Redis, started on a copy of its files that is so old; then emptied, and set back into the mending',
    holds: 'enqueue answers 202 all along; what the copy does not know is handed over again',
    doses: { unit: 'ms', short: [2000], long: [2000, 8000, 30_000] },
    run: async (scene, ms) => {
      const watch = scene.driver.watch();
      if (ms >= OLD_MS) await Promise.all(scene.plan(['late'], 'bulk', 120, 40).map((each) => scene.driver.ship(each)));
      await setBack(scene, ms);
      await demandWorking(scene);
      await emptyAndSetBack(scene, ms);
      await demandWorking(scene);
      watch.close();
      demandUnaffected(scene, watch);
    },
  },
];
