import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
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

const effects = async (n: number) => {
  const { rows } = await sql<{ n: number }>`SELECT n FROM effects WHERE n = ${n}`.execute(services.database);
  return rows.length;
};

describe('a worker that is killed', () => {
  test.each([
    ['before-commit', 1, 0],
    ['after-commit', 2, 1],
  ])('at the latch %s loses nothing: the job runs again within 15 s, its effect once', async (at, n, committed) => {
    const doomed = new MillraceProcess('worker', { environment: { ...world.environment, LATCH: at } });
    const { id } = await services.producer.enqueue({ tenant: 'default', job: 'learning.latched', payload: { n } });
    await doomed.printed(`LATCH ${at}`);
    const heir = new MillraceProcess('worker', { environment: world.environment });
    await heir.printed('running');
    expect(await effects(n)).toBe(committed);
    const killedAt = Date.now();
    await doomed.end('SIGKILL');
    const view = await eventually(
      () => services.inspector.job('default', id),
      ({ state }) => state === 'completed' || state === 'dead',
      60_000,
    );
    expect(view).toMatchObject({ state: 'completed', result: { n } });
    expect(Date.now() - killedAt).toBeLessThan(15_000);
    expect(await effects(n)).toBe(1);
    await heir.end();
  });
});

describe('SIGTERM under load', () => {
  test('loses no job and fails none, and the worker is gone within 30 s', async () => {
    const environment = { ...world.environment, SHUTDOWN_DEADLINE_MS: '6000' };
    const first = new MillraceProcess('worker', { environment });
    await first.printed('running');
    const payloads = Array.from({ length: 60 }, (_, index) => ({ n: 1000 + index, ms: index % 2 === 0 ? 20 : 8000 }));
    const jobs = await Promise.all(
      payloads.map((payload) => services.producer.enqueue({ tenant: 'default', job: 'learning.slow', payload })),
    );
    await eventually(
      () => services.inspector.queue('learning'),
      ({ counts }) => counts.active > 0,
      20_000,
    );
    const stoppedAt = Date.now();
    expect(await first.end('SIGTERM')).toMatchObject({ code: 0 });
    expect(Date.now() - stoppedAt).toBeLessThan(30_000);
    expect((await services.inspector.queue('learning')).counts).toMatchObject({ active: 0, failed: 0 });

    const heirs = [1, 2].map(
      () => new MillraceProcess('worker', { environment: { ...environment, LEARNING_QUEUE_CONCURRENCY: '20' } }),
    );
    const views = await eventually(
      () => Promise.all(jobs.map(({ id }) => services.inspector.job('default', id))),
      (all) => all.every(({ state }) => state === 'completed'),
      80_000,
    );
    expect(views).toHaveLength(60);
    for (const { n } of payloads) expect(await effects(n)).toBe(1);
    await Promise.all(heirs.map((heir) => heir.end()));
  });
});
