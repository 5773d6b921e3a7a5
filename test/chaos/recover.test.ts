/** A worker is killed and its list deleted by hand: `millrace recover`, run twice, loses nothing and does nothing twice. */

import { Command } from 'commander';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { addRecover } from '../../src/cli/recover.ts';
import { loadLocalConfig } from '../../src/config.ts';
import { type FixtureSide, startFixtureSide } from '../support/fixture-side.ts';
import { endAll, eventually } from '../support/millrace-process.ts';

let side: FixtureSide;

beforeAll(async () => {
  side = await startFixtureSide();
});

afterEach(() => endAll());

afterAll(() => side.stop());

async function recover(...args: string[]): Promise<unknown> {
  const printed: string[] = [];
  const config = async () => loadLocalConfig({}, side.world.environment);
  const program = new Command().exitOverride();
  addRecover(program, { print: (line) => void printed.push(line), say: () => {}, config });
  await program.parseAsync(['node', 'millrace', 'recover', ...args]);
  return JSON.parse(printed.join(''));
}

test('every job is done exactly once, and 0 are lost', async () => {
  const { redis, queues } = side.services;
  const doomed = side.worker({ LATCH: 'before-commit', LEARNING_QUEUE_CONCURRENCY: '3' });
  const numbers = [1, 2, 3, 4, 5];
  const jobs = await Promise.all(numbers.map((n) => side.enqueue('latched', { n })));
  const queue = queues.get('learning');
  await eventually(
    () => queue.getActiveCount(),
    (count) => count === 3,
    20_000,
  );
  // What the folklore says to do about "stuck" jobs.
  await redis.del(queue.toKey('active'), queue.toKey('stalled'));
  await doomed.end('SIGKILL');
  expect(await recover('--dry-run')).toEqual({ requeued: 3, removed: 0, dryRun: true });
  expect(await recover()).toEqual({ requeued: 3, removed: 0, dryRun: false });
  expect(await recover()).toEqual({ requeued: 0, removed: 0, dryRun: false });
  const heir = side.worker();
  const views = await side.finished(jobs, 40_000);
  expect(views.map(({ state }) => state)).toEqual(jobs.map(() => 'completed'));
  expect(await side.effects()).toEqual(numbers);
  await heir.end();
}, 120_000);
