import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { AppError } from '../../src/errors.ts';
import { defineJob, type Requested } from '../../src/queue/job.ts';
import { type Probe, startProbe } from '../support/probe-worker.ts';
import { createWorld, type World } from '../support/world.ts';

const WINDOW_MS = 400;

let world: World;
let probe: Probe | undefined;
let serial = 0;

beforeAll(async () => {
  world = await createWorld();
});

afterEach(async () => {
  await probe?.stop();
  probe = undefined;
});

afterAll(() => world.close());

type Requests = readonly Requested<{ who: string; n: number }>[];

/** A gathering definition that notes what each run was given. */
function gathering(onRun: (numbers: number[]) => void = () => {}, more: object = {}) {
  serial += 1;
  const runs: number[][] = [];
  const definition = defineJob({
    name: `probe.gather-${serial}`,
    about: 'A gathering probe.',
    payload: z.strictObject({ who: z.string(), n: z.int() }),
    result: z.object({ taken: z.int() }),
    example: { who: 'a', n: 1 },
    attempts: 2,
    ...more,
    backoff: { delayMs: 10, capMs: 10 },
    collect: ({ who }) => who,
    run: async (requests: Requests, { apply }) => {
      const numbers = requests.map(({ payload }) => payload.n);
      onRun(numbers);
      const result = await apply(async () => ({ taken: requests.length }));
      runs.push(numbers);
      return result;
    },
  });
  return { definition, runs };
}

async function start(definition: ReturnType<typeof gathering>['definition'], windowMs: number, rateMs = 0) {
  probe = await startProbe(world, [definition], { concurrency: 10, pace: { windowMs, rateMs } });
  const { producer } = probe.services;
  const enqueue = (who: string, n: number) =>
    producer.enqueueKept({ tenant: 'default', job: definition.name, payload: { who, n } });
  return { probe, enqueue };
}

test('7 requests in one window are one run, and each keeps its own id and state', async () => {
  const { definition, runs } = gathering();
  const { probe, enqueue } = await start(definition, WINDOW_MS);
  const jobs = await Promise.all([1, 2, 3, 4, 5, 6, 7].map((n) => enqueue('a', n)));
  const views = await Promise.all(jobs.map(({ id }) => probe.until(id)));
  expect(runs).toHaveLength(1);
  expect([...(runs[0] ?? [])].sort()).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(views.every(({ state, result }) => state === 'completed' && (result as { taken: number }).taken === 7)).toBe(
    true,
  );
  const into = new Set(views.map(({ id, collectedInto }) => collectedInto ?? id));
  expect(into.size).toBe(1);
  expect(views.filter(({ collectedInto }) => collectedInto === null)).toHaveLength(1);
});

test('other keys are not delayed by a key that waits', async () => {
  const { definition, runs } = gathering();
  const { probe, enqueue } = await start(definition, WINDOW_MS, 60_000);
  await probe.until((await enqueue('a', 1)).id);
  const waiting = await enqueue('a', 2);
  const other = await enqueue('b', 3);
  expect((await probe.until(other.id)).state).toBe('completed');
  expect((await probe.services.inspector.job('default', waiting.id)).state).toBe('delayed');
  expect(runs).toEqual([[1], [3]]);
});

test('window and rate 0: every request is its own run', async () => {
  const { definition, runs } = gathering();
  const { probe, enqueue } = await start(definition, 0);
  const jobs = await Promise.all([1, 2, 3, 4, 5].map((n) => enqueue('a', n)));
  const views = await Promise.all(jobs.map(({ id }) => probe.until(id)));
  expect(views.map(({ collectedInto }) => collectedInto)).toEqual([null, null, null, null, null]);
  expect(runs.map((run) => run.length)).toEqual([1, 1, 1, 1, 1]);
});

test('one bad request is dead alone: its neighbours complete', async () => {
  const { definition } = gathering((numbers) => {
    if (numbers.includes(13)) throw new AppError('internal', 'thirteen');
  });
  const { probe, enqueue } = await start(definition, WINDOW_MS);
  const jobs = await Promise.all([11, 12, 13, 14].map((n) => enqueue('a', n)));
  const views = await Promise.all(jobs.map(({ id }) => probe.until(id)));
  expect(views.map(({ state }) => state)).toEqual(['completed', 'completed', 'dead', 'completed']);
});

test('a cancelled request is in no run', async () => {
  const { definition, runs } = gathering();
  const { probe, enqueue } = await start(definition, WINDOW_MS);
  const [first, second] = await Promise.all([enqueue('a', 1), enqueue('a', 2)]);
  await probe.until(second.id, 'delayed');
  await probe.services.inspector.cancel('default', second.id);
  await probe.until(first.id);
  expect(runs).toEqual([[1]]);
  expect((await probe.services.inspector.job('default', second.id)).state).toBe('cancelled');
});

test('a request whose wake-up was lost is accepted, and the sweep brings it to its queue', async () => {
  const { definition, runs } = gathering();
  const { probe } = await start(definition, 0);
  const { producer, collectedRequests, inspector } = probe.services;
  const prepared = producer.prepare({ tenant: 'default', job: definition.name, payload: { who: 'a', n: 1 } });
  const key = { tenant: 'default', job: definition.name, key: 'a' };
  await collectedRequests.add(key, { id: prepared.id, requestedAt: new Date(), payload: { who: 'a', n: 1 } });
  expect((await inspector.job('default', prepared.id)).state).toBe('accepted');
  await expect(inspector.job('other', prepared.id)).rejects.toMatchObject({ code: 'job-not-found' });
  expect(await producer.wakeOverdue(-1000)).toBe(1);
  expect((await probe.until(prepared.id)).state).toBe('completed');
  expect(runs).toEqual([[1]]);
});

test('one bad request is dead alone also when there is only one attempt', async () => {
  const refuse = (numbers: number[]) => {
    if (numbers.includes(13)) throw new AppError('internal', 'thirteen');
  };
  const { definition } = gathering(refuse, { attempts: 1 });
  const { probe, enqueue } = await start(definition, WINDOW_MS);
  const jobs = await Promise.all([11, 12, 13, 14].map((n) => enqueue('a', n)));
  const views = await Promise.all(jobs.map(({ id }) => probe.until(id)));
  expect(views.map(({ state }) => state)).toEqual(['completed', 'completed', 'dead', 'completed']);
});

test('a request that a run has taken cannot be cancelled, and nothing stands against it', async () => {
  const { definition } = gathering();
  const { probe, enqueue } = await start(definition, WINDOW_MS);
  const { collectedRequests, database, inspector, ledger } = probe.services;
  const { id } = await enqueue('a', 1);
  await probe.until(id, 'delayed');
  const key = { tenant: 'default', job: definition.name, key: 'a' };
  await database.transaction().execute((tx) => collectedRequests.take(tx, key, [id], 'another-run', new Date()));
  await expect(inspector.cancel('default', id)).rejects.toMatchObject({ code: 'job-finished' });
  expect(await ledger.read(id)).toEqual({ outcome: 'none' });
  expect(await inspector.job('default', id)).toMatchObject({ state: 'completed', collectedInto: 'another-run' });
});

test('a cancelled request whose row comes back is in no run, and no sweep wakes it', async () => {
  const { definition, runs } = gathering();
  const { probe, enqueue } = await start(definition, WINDOW_MS);
  const { collectedRequests, inspector, producer } = probe.services;
  const [first, second] = await Promise.all([enqueue('a', 1), enqueue('a', 2)]);
  await probe.until(second.id, 'delayed');
  await inspector.cancel('default', second.id);
  const key = { tenant: 'default', job: definition.name, key: 'a' };
  await collectedRequests.add(key, { id: second.id, requestedAt: new Date(0), payload: { who: 'a', n: 2 } });
  expect(await producer.wakeOverdue(60_000)).toBe(0);
  await probe.until(first.id);
  expect(runs).toEqual([[1]]);
  expect((await inspector.job('default', second.id)).state).not.toBe('completed');
});

test('a run takes its own request though 500 older ones are open', async () => {
  const { definition, runs } = gathering();
  const { probe, enqueue } = await start(definition, WINDOW_MS);
  const key = { tenant: 'default', job: definition.name, key: 'crowd' };
  for (let n = 0; n < 510; n++) {
    const request = {
      id: `probe_${String(n).padStart(32, '0')}`,
      requestedAt: new Date(n),
      payload: { who: 'crowd', n },
    };
    await probe.services.collectedRequests.add(key, request);
  }
  const { id } = await enqueue('crowd', 9999);
  expect(await probe.until(id)).toMatchObject({ state: 'completed', result: { taken: 500 } });
  expect(runs[0]).toContain(9999);
});

test('a key that is used again for another request is refused, and changes nothing of the first', async () => {
  const { definition, runs } = gathering();
  const { probe } = await start(definition, WINDOW_MS);
  const { producer } = probe.services;
  const ask = (n: number) => ({
    tenant: 'default',
    job: definition.name,
    payload: { who: 'a', n },
    idempotencyKey: 'k',
  });
  const { id } = await producer.enqueue({ ...ask(1), runAt: new Date(Date.now() + 300) });
  await expect(producer.enqueueKept(ask(2))).rejects.toMatchObject({ code: 'idempotency-key-reused' });
  await probe.until(id);
  expect(runs).toEqual([[1]]);
});

test('the sweep keeps what makes a repeat the same: it is a duplicate, and another body is refused', async () => {
  const { definition } = gathering();
  const { probe } = await start(definition, WINDOW_MS);
  const { producer, collectedRequests } = probe.services;
  const ask = (n: number) => ({
    tenant: 'default',
    job: definition.name,
    payload: { who: 'a', n },
    idempotencyKey: 'swept',
  });
  const { id, envelope, requestedAt } = producer.prepare(ask(1));
  const key = { tenant: 'default', job: definition.name, key: 'a' };
  const { payload, bodyHash } = envelope;
  await collectedRequests.add(key, { id, requestedAt: new Date(requestedAt), payload, bodyHash });
  await producer.wakeOverdue(-1000);
  expect(await producer.enqueueKept(ask(1))).toMatchObject({ status: 'duplicate', id });
  await expect(producer.enqueueKept(ask(2))).rejects.toMatchObject({ code: 'idempotency-key-reused' });
  await probe.until(id);
});
