import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildOnce, endAll, freePort, MillraceProcess } from '../support/millrace-process.ts';
import { createWorld, type World } from '../support/world.ts';

const ROUNDS = 40;
const WRITERS = 3;

let world: World;
let bases: string[];

beforeAll(async () => {
  buildOnce();
  world = await createWorld({
    environment: { EDIT_BATCH_WINDOW_MINUTES: '0', LEARNING_RATE_LIMIT_MINUTES: '0' },
  });
  const ports = await Promise.all([freePort(), freePort()]);
  bases = ports.map((port) => `http://127.0.0.1:${port}`);
  const processes = [
    ...ports.map((port) => ['web', { ...world.environment, PORT: String(port) }] as const),
    ...[1, 2].map(() => ['worker', world.environment] as const),
  ].map(([role, environment]) => new MillraceProcess(role, { environment, built: true }));
  await Promise.all(processes.map((process) => process.printed('running')));
});

afterAll(async () => {
  await endAll();
  await world.close();
});

async function json(url: string, init?: RequestInit): Promise<Record<string, unknown>> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(40_000) });
  return (await response.json()) as Record<string, unknown>;
}

test('4 processes mixing reads and jobs: no read after `completed` is older than the job, in any process', async () => {
  let reading = true;
  let reads = 0;
  let checked = 0;
  // Readers keep the caches warm and loads in flight all along.
  const readers = bases.map(async (base) => {
    while (reading) {
      await Promise.all(
        Array.from({ length: WRITERS }, (_, writer) => json(`${base}/api/profile/style?userId=writer-${writer}`)),
      );
      reads += WRITERS;
    }
  });
  const writers = Array.from({ length: WRITERS }, async (_, writer) => {
    const userId = `writer-${writer}`;
    for (let round = 0; round < ROUNDS; round++) {
      const [here = '', there = ''] = round % 2 === 0 ? bases : [...bases].reverse();
      const { id } = await json(`${here}/api/content/c-${round}/save-edits`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          userId,
          originalText: `I shall utilize it ${round}.`,
          editedText: `I use it ${round}.`,
        }),
      });
      const done = await json(`${there}/v1/jobs/${id}?wait=30`);
      expect(done.state).toBe('completed');
      const { version } = done.result as { version: number };
      for (const base of bases) {
        const profile = await json(`${base}/api/profile/style?userId=${userId}`);
        expect(profile.version).toBeGreaterThanOrEqual(version);
        checked += 1;
      }
    }
  });
  await Promise.all(writers);
  reading = false;
  await Promise.all(readers);
  expect(checked).toBe(ROUNDS * WRITERS * bases.length);
  expect(reads).toBeGreaterThan(checked);
});
