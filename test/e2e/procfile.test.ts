/** Each worker line of the Procfile alone, as somebody scales it who gives each queue processes of its own. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { parseProcfile } from '../../src/local/procfile.ts';
import { loadCatalog } from '../../src/queue/catalog.ts';
import { isolatedProcesses } from '../support/isolated-processes.ts';
import { buildOnce, endAll, MillraceProcess } from '../support/millrace-process.ts';
import { REAL_JOBS } from '../support/producer-side.ts';
import { createWorld, type World } from '../support/world.ts';

const DEADLINE_MS = 6000;
/** What a process takes to end besides its work. */
const EXIT_MS = 2000;

const procfile = parseProcfile(readFileSync(join(import.meta.dirname, '..', '..', 'Procfile'), 'utf8'));
const workers = [...procfile].flatMap(([name, command]) => {
  const [, queues] = /^node dist\/workers\/main\.js(.*)$/.exec(command) ?? [];
  return queues === undefined ? [] : [{ name, args: queues.split(' ').filter((queue) => queue !== '') }];
});

let world: World;

beforeAll(async () => {
  buildOnce();
  world = await createWorld({ environment: { SHUTDOWN_DEADLINE_MS: String(DEADLINE_MS) } });
});

afterEach(() => endAll());

afterAll(() => world.close());

describe('the Procfile', () => {
  test('has one line for each queue, and one for all of them', async () => {
    const { queues } = await loadCatalog(REAL_JOBS);
    expect(Object.fromEntries(workers.map(({ name, args }) => [name, args]))).toEqual({
      worker: [],
      ...Object.fromEntries(queues.map((queue) => [queue, [queue]])),
    });
  });

  test.each(workers)('starts a worker with its line $name, which runs and stops in time', async ({ args }) => {
    const worker = new MillraceProcess('worker', { environment: world.environment, args, built: true });
    await worker.printed('running');
    const stoppedMs = Date.now();
    expect(await worker.end('SIGTERM')).toEqual({ code: 0, signal: null });
    expect(Date.now() - stoppedMs).toBeLessThan(DEADLINE_MS + EXIT_MS);
    expect(isolatedProcesses(world)).toEqual([]);
    expect(worker.output.split('\n').filter((line) => !line.includes('"level":"info"'))).toEqual([]);
  });
});
