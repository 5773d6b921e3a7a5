/** What can happen to PostgreSQL, and on the lines to it. */

import { type Fault, outage } from './fault.ts';
import { PASS } from './proxy.ts';
import { demandUnaffected, demandWorking } from './recovery.ts';
import { highestAttempt } from './runs-file.ts';

export const POSTGRES_FAULTS: readonly Fault[] = [
  {
    name: 'postgres-down',
    how: 'kill -9 of PostgreSQL, started again on its files',
    holds: 'enqueue answers 202 all along; no attempt is spent',
    doses: { unit: 'ms', short: [5000], long: [60_000] },
    // A job that fails by plan spends attempts, and is no evidence here.
    load: { kinds: ['apply', 'other', 'delayed', 'exclusive', 'wrong'] },
    run: async (scene, ms) => {
      const { postgres } = scene.service;
      const what = 'PostgreSQL';
      const watch = await outage(scene, { ms, what, away: () => postgres.kill(), back: () => postgres.restart() });
      await demandWorking(scene);
      demandUnaffected(scene, watch);
    },
    afterwards: async ({ service, first, demand }) => {
      const attempt = await highestAttempt(service.runsFile, first);
      demand('highest attempt', attempt === 1, String(attempt));
    },
  },
  {
    name: 'postgres-cut',
    how: 'the lines to PostgreSQL are reset, and then refused for a while',
    holds: 'enqueue answers 202 all along',
    doses: { unit: 'ms', short: [2000], long: [20_000] },
    run: async (scene, ms) => {
      const { webPostgres, workerPostgres } = scene.service.lines;
      const lines = [webPostgres, workerPostgres];
      const watch = await outage(scene, {
        ms,
        what: 'lines to PostgreSQL, refused',
        away: async () => void (await Promise.all(lines.map((line) => line.behave({ kind: 'refuse' })))),
        back: async () => void (await Promise.all(lines.map((line) => line.behave(PASS)))),
      });
      await demandWorking(scene);
      demandUnaffected(scene, watch);
    },
  },
];
