import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type FixtureSide, startFixtureSide } from '../support/fixture-side.ts';
import { endAll, eventually } from '../support/millrace-process.ts';

let side: FixtureSide;

beforeAll(async () => {
  side = await startFixtureSide();
});

afterEach(() => endAll());

afterAll(() => side.stop());

const effects = async (n: number) => (await side.effects()).filter((each) => each === n).length;

describe('a worker that is killed', () => {
  test.each([
    ['before-commit', 1, 0],
    ['after-commit', 2, 1],
  ])('at the latch %s loses nothing: the job runs again within 15 s, its effect once', async (at, n, committed) => {
    const doomed = side.worker({ LATCH: at });
    const id = await side.enqueue('latched', { n });
    await doomed.printed(`LATCH ${at}`);
    const heir = side.worker();
    await heir.printed('running');
    expect(await effects(n)).toBe(committed);
    const killedAt = Date.now();
    await doomed.end('SIGKILL');
    const [view] = await side.finished([id], 60_000);
    expect(view).toMatchObject({ state: 'completed', result: { n } });
    expect(Date.now() - killedAt).toBeLessThan(15_000);
    expect(await effects(n)).toBe(1);
    await heir.end();
  });
});

describe('SIGTERM under load', () => {
  test('loses no job and fails none, and the worker is gone within 30 s', async () => {
    const environment = { SHUTDOWN_DEADLINE_MS: '6000' };
    const first = side.worker(environment);
    await first.printed('running');
    const payloads = Array.from({ length: 60 }, (_, index) => ({ n: 1000 + index, ms: index % 2 === 0 ? 20 : 8000 }));
    const jobs = await Promise.all(payloads.map((payload) => side.enqueue('slow', payload)));
    const { inspector } = side.services;
    await eventually(
      () => inspector.queue('learning'),
      ({ counts }) => counts.active > 0,
      20_000,
    );
    const stoppedAt = Date.now();
    expect(await first.end('SIGTERM')).toMatchObject({ code: 0 });
    expect(Date.now() - stoppedAt).toBeLessThan(30_000);
    expect((await inspector.queue('learning')).counts).toMatchObject({ active: 0, failed: 0 });

    const heirs = [1, 2].map(() => side.worker({ ...environment, LEARNING_QUEUE_CONCURRENCY: '20' }));
    const views = await side.finished(jobs, 80_000);
    expect(views.map(({ state }) => state)).toEqual(jobs.map(() => 'completed'));
    for (const { n } of payloads) expect(await effects(n)).toBe(1);
    await Promise.all(heirs.map((heir) => heir.end()));
  });
});
