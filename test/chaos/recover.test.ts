/** A worker is killed and its list deleted by hand: `millrace recover`, run twice, loses nothing and does nothing twice. */

import { Command } from 'commander';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { addRecover } from '../../src/cli/recover.ts';
import { loadLocalConfig } from '../../src/config.ts';
import type { Services } from '../../src/services.ts';
import { endAll, eventually, MillraceProcess } from '../support/millrace-process.ts';
import { FIXTURE_JOBS, startProducerSide, stopProducerSide } from '../support/producer-side.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let services: Services;

beforeAll(async () => {
  world = await createWorld({ environment: { JOBS_DIR: FIXTURE_JOBS } });
  services = await startProducerSide(world, FIXTURE_JOBS);
  await sql`CREATE TABLE effects (n int)`.execute(services.database);
});

afterEach(() => endAll());

afterAll(async () => {
  await stopProducerSide(services);
  await world.close();
});

async function recover(...args: string[]): Promise<unknown> {
  const printed: string[] = [];
  const config = async () => loadLocalConfig({}, world.environment);
  const program = new Command().exitOverride();
  addRecover(program, { print: (line) => void printed.push(line), say: () => {}, config });
  await program.parseAsync(['node', 'millrace', 'recover', ...args]);
  return JSON.parse(printed.join(''));
}

test('every job is done exactly once, and 0 are lost', async () => {
  const { producer, redis, queues, database, inspector } = services;
  const doomed = new MillraceProcess('worker', {
    environment: { ...world.environment, LATCH: 'before-commit', LEARNING_QUEUE_CONCURRENCY: '3' },
  });
  const payloads = [1, 2, 3, 4, 5].map((n) => ({ n }));
  const enqueue = (payload: object) => producer.enqueue({ tenant: 'default', job: 'learning.latched', payload });
  const jobs = await Promise.all(payloads.map(enqueue));
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
  const heir = new MillraceProcess('worker', { environment: world.environment });
  await eventually(
    () => Promise.all(jobs.map(({ id }) => inspector.job('default', id))),
    (views) => views.every(({ state }) => state === 'completed'),
    40_000,
  );
  const { rows } = await sql<{ n: number }>`SELECT n FROM effects ORDER BY n`.execute(database);
  expect(rows).toEqual(payloads);
  await heir.end();
}, 120_000);
