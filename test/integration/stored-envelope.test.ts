/** What is stored of a job, what is read of jobs that were stored by older versions, and that both mean the same. */

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { entryOf } from '../../src/accepting/intake.ts';
import { freshNumber, jobIdFor } from '../../src/queue/envelope.ts';
import { defineJob, type JobContext } from '../../src/queue/job.ts';
import { type Probe, startProbe } from '../support/probe-worker.ts';
import { createWorld, type World } from '../support/world.ts';

const NAME = 'probe.tell';
const LONG_AGO_MS = 1_600_000_000_000;

let world: World;
let probe: Probe | undefined;

beforeAll(async () => {
  world = await createWorld();
});

afterEach(async () => {
  await probe?.stop();
  probe = undefined;
});

afterAll(() => world.close());

/** A definition whose result says when its job was asked for, and start a worker for it. */
async function start(more: object = {}): Promise<Probe> {
  const definition = defineJob({
    name: NAME,
    about: 'A probe.',
    payload: z.strictObject({}),
    result: z.unknown(),
    example: {},
    run: async (_payload: object, { job }: JobContext) => job.requestedAt.toISOString(),
    ...more,
  });
  probe = await startProbe(world, [definition]);
  return probe;
}

const request = { tenant: 'default', job: NAME, payload: {} };
const freshId = () => jobIdFor('default', NAME, undefined, Date.now());
const untilEnded = { run: (_payload: object, { signal }: JobContext) => new Promise((_, no) => (signal.onabort = no)) };

describe('a job that is stored', () => {
  test('holds nothing that its queue or its definition says', async () => {
    const { services } = await start();
    const queue = services.queues.get('probe');
    const runAt = new Date(Date.now() + 60_000);
    const plain = await services.producer.enqueue({ ...request, runAt });
    const stored = await queue.getJob(plain.id);
    expect(stored?.data).toEqual({ tenant: 'default', payload: {}, runAt: runAt.getTime() });
    expect(new Date(stored?.timestamp ?? 0).toISOString()).toBe(plain.requestedAt);
    expect((await services.inspector.job('default', plain.id)).requestedAt).toBe(plain.requestedAt);
    const particular = await services.producer.enqueue({ ...request, runAt, timeoutMs: 60_000, requestId: 'mine' });
    expect((await queue.getJob(particular.id))?.data).toMatchObject({ timeoutMs: 60_000, requestId: 'mine' });
  });

  test('is the same in the journal', async () => {
    const { services } = await start();
    const prepared = services.producer.prepare(request);
    expect(entryOf(prepared)).toMatchObject({
      data: '{"tenant":"default","payload":{}}',
      requestedAt: prepared.requestedAt,
    });
  });

  test('tells its handler and its caller the same time', async () => {
    const { services, until } = await start();
    const { id, requestedAt } = await services.producer.enqueue(request);
    expect(await until(id)).toMatchObject({ result: requestedAt, requestedAt });
  });

  test('without any time is dead', async () => {
    const { services, until } = await start();
    const queue = services.queues.get('probe');
    await queue.pause();
    const { id } = await services.producer.enqueue(request);
    await services.redis.hdel(queue.toKey(id), 'timestamp');
    await queue.resume();
    expect(await until(id)).toMatchObject({ state: 'dead', error: { code: 'payload-invalid' }, requestedAt: null });
  });
});

describe('the request that asked for a job', () => {
  const names = async ({ services, until }: Probe, { id }: { id: string }) => {
    const { result } = await until(id);
    return { stored: (await services.queues.get('probe').getJob(id))?.data.requestId, told: result };
  };
  const passOn = {
    run: async (_payload: object, { enqueue }: JobContext) => {
      const { id } = await enqueue({ job: NAME, payload: {}, runAt: new Date(Date.now() + 60_000) });
      const follower = await probe?.services.queues.get('probe').getJob(id);
      return follower?.data.requestId;
    },
  };

  test('is not stored where its number is the job’s, and is passed on all the same', async () => {
    const service = await start(passOn);
    const number = freshNumber(Date.now());
    const enqueued = await service.services.producer.enqueue({ ...request, requestId: number, number });
    expect(enqueued.id).toBe(`probe_${number}`);
    expect(await names(service, enqueued)).toEqual({ stored: undefined, told: number });
  });

  test('is stored where the id of the job cannot tell it', async () => {
    const service = await start(passOn);
    const { producer } = service.services;
    const number = freshNumber(Date.now());
    const keyed = await producer.enqueue({ ...request, requestId: number, number, idempotencyKey: 'traced' });
    expect(await names(service, keyed)).toEqual({ stored: number, told: number });
    const oneOfMany = await producer.enqueue({ ...request, requestId: number });
    expect(await names(service, oneOfMany)).toEqual({ stored: number, told: number });
  });

  test('is the job itself where there was none: what follows from it carries its number', async () => {
    const service = await start(passOn);
    const enqueued = await service.services.producer.enqueue(request);
    expect(await names(service, enqueued)).toEqual({ stored: undefined, told: enqueued.id.slice('probe_'.length) });
  });
});

describe('the time that an attempt may take', () => {
  test('is what the definition says when the attempt begins, unless the caller has given one', async () => {
    const before = await start({ timeoutMs: 60_000, attempts: 1 });
    const queue = before.services.queues.get('probe');
    await queue.pause();
    const plain = await before.services.producer.enqueue(request);
    const given = await before.services.producer.enqueue({ ...request, timeoutMs: 210 });
    await before.stop();
    const { services, until } = await start({ timeoutMs: 190, attempts: 1, ...untilEnded });
    await services.queues.get('probe').resume();
    const error = (ms: number) => ({ code: 'attempt-timed-out', message: `The attempt took longer than ${ms} ms.` });
    expect(await until(plain.id)).toMatchObject({ state: 'dead', error: error(190) });
    expect(await until(given.id)).toMatchObject({ state: 'dead', error: error(210) });
  });
});

describe('a job that an older version has stored', () => {
  const old = { tenant: 'default', payload: {}, requestedAt: LONG_AGO_MS, timeoutMs: 180 };

  test('keeps its time and its limit', async () => {
    const { services, until } = await start({ timeoutMs: 60_000, ...untilEnded });
    const id = freshId();
    await services.queues.get('probe').add(NAME, old, { jobId: id, attempts: 1 });
    expect(await until(id)).toMatchObject({
      state: 'dead',
      error: { message: 'The attempt took longer than 180 ms.' },
      requestedAt: new Date(LONG_AGO_MS).toISOString(),
    });
  });

  test('is one with a repeat of its request, and gives the first answer', async () => {
    const { services } = await start();
    const keyed = { ...request, idempotencyKey: 'from before', runAt: new Date(Date.now() + 60_000) };
    const { id, envelope } = services.producer.prepare(keyed);
    const data = { ...old, ...envelope };
    await services.queues.get('probe').add(NAME, data, { jobId: id, delay: 60_000 });
    expect(await services.producer.enqueue(keyed)).toMatchObject({
      status: 'duplicate',
      id,
      requestedAt: new Date(LONG_AGO_MS).toISOString(),
    });
  });
});

describe('a job from before the moment since which Redis remembers everything', () => {
  test.each([
    ['stored now', { tenant: 'default', payload: {} }, LONG_AGO_MS],
    ['stored by an older version', { tenant: 'default', payload: {}, requestedAt: LONG_AGO_MS, timeoutMs: 1000 }, 0],
  ])('%s, does not run again when its effect was applied', async (_what, data, timestamp) => {
    let runs = 0;
    const run = async () => {
      runs += 1;
    };
    const { services, until } = await start({ run });
    const id = freshId();
    await services.ledger.apply({ jobId: id, tenant: 'default', job: NAME }, async () => 'done before');
    await services.queues.get('probe').add(NAME, data, { jobId: id, ...(timestamp > 0 && { timestamp }) });
    expect(await until(id)).toMatchObject({ state: 'completed', result: 'done before' });
    expect(runs).toBe(0);
  });
});
