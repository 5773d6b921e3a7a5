/** Promise 3, the neighbour's part: whatever a job does to its process, and whoever kills a worker, costs no other job. */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Misbehaviour } from '../fixtures/isolated-jobs/learning/misbehave.ts';
import { isolatedProcesses, noIsolatedProcess } from '../support/isolated-processes.ts';
import { type IsolatedSide, startIsolatedSide } from '../support/isolated-side.ts';
import { endAll, eventually, type MillraceProcess } from '../support/millrace-process.ts';

const INNOCENT = 40;
const POISONS: readonly Misbehaviour[] = [
  'abort',
  'heap out of memory',
  'buffers out of memory',
  'an endless loop',
  'segmentation fault',
];
const DEAD_WITHIN_MS = 60_000;

let side: IsolatedSide;

beforeAll(async () => {
  side = await startIsolatedSide({
    environment: { ISOLATED_MEMORY_MB: '256', LEARNING_QUEUE_CONCURRENCY: '3', SHUTDOWN_DEADLINE_MS: '6000' },
  });
});

afterEach(() => endAll());

afterAll(() => side.stop());

const children = () => isolatedProcesses(side.world);

/** Enqueue jobs that never end, and wait until each is at it, in its own process. */
async function endless(hows: readonly Misbehaviour[], more: object): Promise<string[]> {
  const marks = hows.map((_how, n) => join(side.folder, `running-${Object.keys(more).length}-${n}`));
  const ids = await Promise.all(
    hows.map((how, n) => side.enqueue('learning.misbehave', { how, marks: marks[n] }, { attempts: 1, ...more })),
  );
  await eventually(
    async () => marks.filter(existsSync),
    (found) => found.length === hows.length,
    30_000,
  );
  return ids;
}

async function calm(worker: MillraceProcess): Promise<void> {
  await worker.end();
  await noIsolatedProcess(side.world, 5000);
}

describe('poison among innocent jobs', () => {
  test('is dead after at most 3 crashes of its own process within 60 s, and no innocent job fails', async () => {
    const worker = await side.worker();
    const startedMs = Date.now();
    const innocent: Promise<string>[] = [];
    const poison: Promise<string>[] = [];
    for (let n = 0; n < INNOCENT; n++) {
      const how = POISONS[n / 5];
      // Attempts enough for it to do more harm than it may.
      const payload = { how, marks: '' };
      if (how !== undefined)
        poison.push(side.enqueue('learning.misbehave', payload, { attempts: 10, timeoutMs: 3000 }));
      const isolated = n % 4 === 0;
      const job = isolated ? 'learning.work-alone' : 'learning.follow-up';
      // One attempt: a single failure would make it dead.
      innocent.push(side.enqueue(job, isolated ? { how: 'result', n } : { n }, { attempts: 1 }));
    }
    const dead = await Promise.all(poison.map(async (id) => side.finished(await id, DEAD_WITHIN_MS)));
    expect(Date.now() - startedMs).toBeLessThan(DEAD_WITHIN_MS);
    expect(dead.map(({ state, attempts, error }) => [state, attempts.made, error?.code])).toEqual(
      POISONS.map(() => ['dead', 3, 'isolated-crashed-often']),
    );
    const letters = (await side.services.inspector.dead('default', 'learning', 100)).map(({ id }) => id);
    expect(letters.toSorted()).toEqual(dead.map(({ id }) => id).toSorted());

    const views = await Promise.all(innocent.map(async (id) => side.finished(await id)));
    expect(views.filter(({ state }) => state === 'completed')).toHaveLength(INNOCENT);
    expect(views.filter(({ attempts }) => attempts.made !== 1)).toEqual([]);
    expect(worker.output.split('\n').filter((line) => line.includes('"isolated job crashed"'))).toHaveLength(15);
    await calm(worker);
  });
});

describe('a worker that is killed from outside while isolated jobs run', () => {
  test('leaves no process behind, and counts against none of them', async () => {
    const doomed = await side.worker();
    const ids = await endless(['an endless loop', 'an endless loop', 'ignores the signal'], { timeoutMs: 5000 });
    expect(children().length).toBeGreaterThanOrEqual(3);
    await doomed.end('SIGKILL');
    await noIsolatedProcess(side.world, 3000);
    const heir = await side.worker();
    const views = await Promise.all(ids.map((id) => side.finished(id)));
    // Each had its one attempt, to its own end: the one that was taken from it counts for nothing.
    for (const { state, attempts, error } of views) {
      expect([state, attempts.made, error?.code]).toEqual(['dead', 1, 'attempt-timed-out']);
    }
    expect(heir.output.match(/"isolated job crashed"/g)).toHaveLength(3);
    expect(heir.output).not.toMatch(/"crashes":[2-9]/);
    await calm(heir);
  });
});

describe('a worker that is frozen while an isolated job runs', () => {
  test('is taken over, and what both processes of the job apply is written once', async () => {
    const marks = join(side.folder, 'held');
    const runners = (count: number) =>
      eventually(
        async () => (existsSync(marks) ? readFileSync(marks, 'utf8').trim().split('\n') : []),
        (pids) => pids.length === count,
        30_000,
      );
    const frozen = await side.worker();
    const id = await side.enqueue('learning.work-alone', { how: 'held effect', n: 7, marks }, { attempts: 1 });
    await runners(1);
    frozen.kill('SIGSTOP');
    const heir = await side.worker();
    const pids = await runners(2);
    // Both go on to their end, side by side.
    writeFileSync(`${marks}-go`, '');
    const view = await side.finished(id);
    frozen.kill('SIGCONT');
    expect(view).toMatchObject({ state: 'completed', attempts: { made: 1 } });
    expect(pids).toContain(String((view.result as { by: number }).by));
    expect(await side.effects(7)).toHaveLength(1);
    await frozen.end();
    await calm(heir);
    expect(await side.services.inspector.job('default', id)).toEqual(view);
  });
});

describe('a worker that is told to stop while isolated jobs run', () => {
  test('puts them back at its deadline, with no attempt spent, and leaves no process', async () => {
    const stopping = await side.worker();
    const ids = await endless(['an endless loop', 'an endless loop', 'ignores the signal'], {});
    // Some stop a service by a signal to each of its processes.
    for (const pid of children()) process.kill(pid, 'SIGTERM');
    const stoppedMs = Date.now();
    expect(await stopping.end('SIGTERM')).toMatchObject({ code: 0 });
    expect(Date.now() - stoppedMs).toBeGreaterThan(2500);
    expect(Date.now() - stoppedMs).toBeLessThan(8000);
    expect(children()).toEqual([]);
    for (const id of ids) {
      const view = await side.services.inspector.job('default', id);
      expect(view).toMatchObject({ state: 'waiting', attempts: { made: 0 }, error: null });
    }
    expect(stopping.output).not.toContain('"isolated job crashed"');
  });
});
