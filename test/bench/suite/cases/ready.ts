/** From starting a process of the build until it is ready: web, worker, and all of `npm start`. */

import { mkdirSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { migrateDatabase } from '../../../../src/database/migrate.ts';
import { Deadline } from '../../../../src/lifecycle.ts';
import { freePort } from '../../../../src/local/ports.ts';
import { endProcess } from '../../../../src/local/processes.ts';
import { readState } from '../../../../src/local/state.ts';
import { buildOnce } from '../../../support/millrace-process.ts';
import { type Case, roundsOf } from '../bench.ts';
import { type Contender, inRounds } from '../rounds.ts';
import { answers, ServiceProcess, type ServiceProcessOptions } from '../service.ts';
import type { Stage } from '../stage.ts';

const START_MS = 60_000;
const STOP_MS = 30_000;

export const readyCase: Case = async (stage) => {
  const { folder } = stage.bench.build;
  const [redis, cache, postgres] = await Promise.all([stage.redis(), stage.cache(), stage.postgres()]);
  await migrateDatabase({ url: postgres.url, schema: 'public' });
  buildOnce();
  const port = await freePort();
  const environment = {
    REDIS_URL: redis.url,
    REDIS_CACHE_URL: cache.url,
    DATABASE_URL: postgres.url,
    PORT: String(port),
    DATA_DIR: join(folder, 'data/ready'),
    HOST: '127.0.0.1',
  };
  const ready = () => answers(`http://127.0.0.1:${port}/readyz`);
  const logs = join(folder, 'logs');
  let homes = 0;
  const npmStart = (which: 'first' | 'again'): Contender => ({
    name: `npm start, ${which}`,
    slice: () => {
      if (which === 'first') homes += 1;
      return startAll(stage, { home: join(folder, `data/start-${homes}`), port, ready });
    },
  });
  const web = { args: [join(folder, 'src/server.js')], environment, logFile: join(logs, 'ready-web.log') };
  const worker = { args: [join(folder, 'workers/main.js')], environment, logFile: join(logs, 'ready-worker.log') };
  const section = await inRounds(
    {
      id: 'ready',
      title: 'From start to ready',
      compared: 'tookMs',
      notes: [
        'Web and npm start: until /readyz says yes. Worker: until it says that it runs. The first npm start makes the database.',
      ],
    },
    [
      { name: 'web', slice: () => startOne(stage, web, ready) },
      { name: 'worker', slice: () => startOne(stage, worker) },
      npmStart('first'),
      npmStart('again'),
    ],
    { ...roundsOf(stage), warmUps: 0 },
  );
  return [section];
};

async function startOne(stage: Stage, options: ServiceProcessOptions, ready?: () => Promise<boolean>) {
  const service = new ServiceProcess(options);
  stage.onEnd(() => service.stop());
  const before = service.log.length;
  const tookMs = await service.until(ready ?? (() => service.log.slice(before).includes('running')));
  await service.stop();
  return { tookMs };
}

interface Home {
  /** Data folder of its own; the first start in it makes its stores. */
  readonly home: string;
  readonly port: number;
  ready(): Promise<boolean>;
}

/** `npm start` as a person types it, from the checkout's own build. */
async function startAll(stage: Stage, { home, port, ready }: Home) {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const service = new ServiceProcess({
    program: 'npm',
    args: ['start'],
    environment: { DATA_DIR: home, PORT: String(port), MILLRACE_INSTALL: 'never' },
    logFile: join(stage.bench.build.folder, 'logs/start.log'),
  });
  // npm may end before what it started: the supervisor is the one to wait for.
  const stop = async () => {
    const { supervisor } = await readState(home);
    if (supervisor !== undefined) await endProcess(supervisor.pid, 'SIGTERM', Deadline.in(STOP_MS));
    await service.stop();
  };
  stage.onEnd(async () => {
    await stop();
    removePostgres(home);
  });
  const tookMs = await service.until(ready, START_MS);
  await stop();
  return { tookMs };
}

/** Run by root, PostgreSQL's data lies outside the data folder, behind a link. */
function removePostgres(home: string): void {
  try {
    rmSync(readlinkSync(join(home, 'postgres')), { recursive: true, force: true });
  } catch {
    // No link: it lies inside, and goes with the run's folder.
  }
}
