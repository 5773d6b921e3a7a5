/** An isolated definition does everything that one in the worker's process does, and hurts nobody when it breaks. */

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Deadline } from '../../src/lifecycle.ts';
import { isRunning } from '../../src/local/processes.ts';
import { createLogger } from '../../src/logger.ts';
import { Catalog, loadCatalog } from '../../src/queue/catalog.ts';
import { WorkerProcess } from '../../workers/worker.ts';
import type { Misbehaviour } from '../fixtures/isolated-jobs/learning/misbehave.ts';
import { ISOLATED_JOBS, type IsolatedSide, startIsolatedSide } from '../support/isolated-side.ts';
import { endAll, eventually } from '../support/millrace-process.ts';

let side: IsolatedSide;

beforeAll(async () => {
  const secrets = { JOURNAL_KEY: randomBytes(32).toString('base64'), BOARD_PASSWORD: 'not for a child' };
  const environment = { ...secrets, ISOLATED_MEMORY_MB: '256', LEARNING_QUEUE_CONCURRENCY: '3' };
  side = await startIsolatedSide({ environment });
  await side.worker();
});

afterAll(async () => {
  await endAll();
  await side.stop();
});

const outcomeOf = async (job: string, payload: object, more: object = {}) =>
  side.finished(await side.enqueue(job, payload, more));
const alone = (how: string, more: object = {}, n = 21) => outcomeOf('learning.work-alone', { how, n }, more);
const misbehave = (how: Misbehaviour, more: object = {}) => outcomeOf('learning.misbehave', { how }, more);

/** In the worker's own process, where a crash would end it. */
const neighbour = () => outcomeOf('learning.follow-up', { n: 1 }, { attempts: 1 });

describe.concurrent('an isolated job', () => {
  test('completes with the result of its handler', async () => {
    expect(await alone('result')).toMatchObject({ state: 'completed', result: { doubled: 42 }, attempts: { made: 1 } });
  });

  test('completes with null when its handler returns nothing', async () => {
    expect(await alone('nothing')).toMatchObject({ state: 'completed', result: null });
  });

  test('runs in another process each time', async () => {
    const views = await Promise.all([alone('pid'), alone('pid'), alone('pid')]);
    expect(new Set(views.map(({ result }) => result)).size).toBe(3);
  });

  test('knows which job it is', async () => {
    const { id, requestedAt, result } = await alone('identity');
    const job = { id, name: 'learning.work-alone', tenant: 'default', attempt: 1, lastAttempt: false, requestedAt };
    expect(result).toEqual(job);
  });

  test('reports its progress, the newest value last', async () => {
    expect(await alone('progress')).toMatchObject({ state: 'completed', result: 'reported', progress: { step: 3 } });
  });

  test('applies its effect once, though its first attempt fails after the commit', async () => {
    expect(await alone('apply')).toMatchObject({ state: 'completed', result: { by: 1 }, attempts: { made: 2 } });
    expect(await side.effects(21)).toEqual([1]);
  });

  test('that is killed at its deadline inside its effect has written nothing, and the next attempt writes it', async () => {
    expect(await alone('interrupted effect', { timeoutMs: 2000 }, 22)).toMatchObject({
      state: 'completed',
      result: { by: 2 },
      attempts: { made: 2 },
    });
    expect(await side.effects(22)).toEqual([2]);
  });

  test('dumps no core, is the first that a kernel out of memory takes, and gets no secret it has no use for', async () => {
    const { result } = await alone('limits');
    expect(result).toEqual({ outOfMemory: '1000', coreDump: '0', secrets: ['', ''] });
  });

  test('enqueues another job', async () => {
    const { result } = await alone('enqueue');
    expect(await side.finished(String(result))).toMatchObject({ job: 'learning.follow-up', result: { n: 22 } });
  });

  test('has the services', async () => {
    expect(await alone('services')).toMatchObject({ state: 'completed', result: { version: 0 } });
  });

  test('snoozes and spends no attempt', async () => {
    expect(await alone('snooze', { attempts: 1 })).toMatchObject({ state: 'completed', result: { attempt: 1 } });
  });

  test('with a permanent error is dead at once', async () => {
    const error = { code: 'work-refused', message: 'Never like this.' };
    expect(await alone('refuse')).toMatchObject({ state: 'dead', attempts: { made: 1 }, error });
  });

  test('that throws is retried and then dead, and its process has not crashed', async () => {
    const error = { code: 'internal', message: 'no luck' };
    expect(await alone('fail')).toMatchObject({ state: 'dead', attempts: { made: 3 }, error });
  });

  test('that ends when its signal says so has all its attempts', async () => {
    expect(await alone('listen', { attempts: 4, timeoutMs: 200 })).toMatchObject({
      state: 'dead',
      attempts: { made: 4 },
      error: { code: 'attempt-timed-out', message: 'The attempt took longer than 200 ms.' },
    });
  });

  test('with a result that its schema refuses is dead', async () => {
    expect(await alone('text')).toMatchObject({ state: 'dead', error: { code: 'result-invalid' } });
  });
});

describe.concurrent('a process that breaks', () => {
  const CRASHED: readonly [Misbehaviour, RegExp][] = [
    ['abort', /It ended by SIGABRT/],
    ['heap out of memory', /It ended by SIGABRT/],
    ['buffers out of memory', /It took \d+ MB of memory, more than 512 MB/],
    ['exit 0 without a result', /It ended with code 0 and no result/],
    ['exit 7', /It ended with code 7 and no result/],
    ['unhandled rejection', /It ended with code 1 and no result/],
    ['error outside the handler', /It ended with code 1 and no result/],
    ['garbage on the channel', /It said what is no message of ours/],
    ['JSON that is no message', /It said what is no message of ours/],
    ['a forged error code', /It said what is no message of ours/],
    ['a flood of messages', /It said "progress" out of turn/],
    ['a line without an end', /It said more than 1000000 bytes at once/],
  ];

  test.each(CRASHED)('counts against its own job alone: %s', async (how, message) => {
    const [broken, beside] = await Promise.all([misbehave(how, { attempts: 1 }), neighbour()]);
    expect(beside).toMatchObject({ state: 'completed' });
    expect(broken).toMatchObject({ state: 'dead', error: { code: 'isolated-crashed' } });
    expect(broken.error?.message).toMatch(message);
  });

  test('three times makes its job dead, whatever its attempts say, and a retry by hand starts anew', async () => {
    const dead = { state: 'dead', attempts: { made: 3, most: 9 }, error: { code: 'isolated-crashed-often' } };
    const view = await misbehave('abort', { attempts: 9 });
    expect(view).toMatchObject(dead);
    await side.services.inspector.retry('default', view.id);
    expect(await side.finished(view.id)).toMatchObject(dead);
  }, 90_000);

  const FAILED: readonly [Misbehaviour, string, RegExp][] = [
    ['a thrown string', 'internal', /only a string/],
    ['a thrown object without a text', 'internal', /has no text/],
    ['a thrown nothing', 'internal', /undefined/],
    ['a result of 100 MB', 'result-invalid', /more than 1000000 bytes/],
    ['a result that is no JSON', 'internal', /BigInt/],
  ];

  test.each(FAILED)('fails as a handler does: %s', async (how, code, message) => {
    const view = await misbehave(how, { attempts: 1 });
    expect(view).toMatchObject({ state: 'dead', error: { code } });
    expect(view.error?.message).toMatch(message);
  });

  const ENDLESS: readonly [Misbehaviour][] = [['an endless loop'], ['ignores the signal'], ['prints without end']];

  test.each(ENDLESS)('is ended at its deadline: %s', async (how) => {
    const [view, beside] = await Promise.all([misbehave(how, { attempts: 1, timeoutMs: 4000 }), neighbour()]);
    expect(beside).toMatchObject({ state: 'completed' });
    expect(view).toMatchObject({ state: 'dead', error: { code: 'attempt-timed-out' } });
    const ranMs = Date.parse(view.finishedAt ?? '') - Date.parse(view.startedAt ?? '');
    expect(ranMs).toBeGreaterThanOrEqual(3900);
    // Far more than a busy machine needs: what is not ended runs for ever.
    expect(ranMs).toBeLessThan(20_000);
  });

  test.each<[Misbehaviour, string]>([
    ['a grandchild that stays', 'completed'],
    ['a grandchild, then an endless loop', 'dead'],
  ])('takes along what it has started: %s', async (how, state) => {
    const marks = join(side.folder, how);
    const view = await outcomeOf('learning.misbehave', { how, marks }, { attempts: 1, timeoutMs: 6000 });
    expect(view).toMatchObject({ state });
    const pid = Number(await readFile(marks, 'utf8'));
    expect(pid).toBeGreaterThan(0);
    await eventually(
      async () => isRunning(pid),
      (running) => !running,
      15_000,
    );
  });
});

describe('a worker from the sources', () => {
  async function withWorker(catalog: Catalog, work: () => Promise<void>): Promise<void> {
    await endAll();
    const logger = createLogger({ level: 'silent', role: 'test' });
    const worker = new WorkerProcess({ config: side.world.config, catalog, logger, queues: [] });
    await worker.start();
    try {
      await work();
    } finally {
      await worker.stop(Deadline.in(10_000));
    }
  }

  test('runs isolated jobs too, and leaves none of their processes', async () => {
    let pid = 0;
    await withWorker(await loadCatalog(ISOLATED_JOBS), async () => {
      const view = await alone('pid');
      expect(view).toMatchObject({ state: 'completed' });
      pid = Number(view.result);
    });
    expect(pid).not.toBe(process.pid);
    expect(isRunning(pid)).toBe(false);
  });

  test('tries a job again later, with no attempt spent, whose process cannot start', async () => {
    const { all } = await loadCatalog(ISOLATED_JOBS);
    await withWorker(new Catalog(all, join(side.folder, 'gone')), async () => {
      const id = await side.enqueue('learning.work-alone', { how: 'result' }, { attempts: 1 });
      const view = await eventually(
        () => side.services.inspector.job('default', id),
        ({ state, startedAt }) => state !== 'waiting' && state !== 'active' && startedAt !== null,
        30_000,
      );
      expect(view).toMatchObject({ state: 'delayed', attempts: { made: 0 }, error: null });
    });
  });
});
