import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { AppError, Snooze } from '../../src/errors.ts';
import { defineJob, type JobContext, type JobDefinition } from '../../src/queue/job.ts';
import { profile } from '../../src/resources.ts';
import { latch } from '../support/latch.ts';
import { type Probe, startProbe } from '../support/probe-worker.ts';
import { createWorld, type World } from '../support/world.ts';

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

let serial = 0;

/** A definition whose handler is the test's, under a name that no other test uses. */
function job(run: (payload: { n: number }, context: JobContext) => Promise<unknown>, more: object = {}): JobDefinition {
  serial += 1;
  return defineJob({
    name: `probe.test-${serial}`,
    about: 'A probe.',
    payload: z.strictObject({ n: z.int() }),
    result: z.unknown(),
    example: { n: 1 },
    backoff: { delayMs: 10, capMs: 10 },
    run,
    ...more,
  });
}

async function start(...definitions: JobDefinition[]): Promise<Probe> {
  probe = await startProbe(world, definitions);
  return probe;
}

const enqueue = (to: Probe, definition: JobDefinition, more: object = {}) =>
  to.services.producer.enqueue({ tenant: 'default', job: definition.name, payload: { n: 1 }, ...more });

/** Hand a job over again, as is done when Redis has lost it. */
async function replay({ services }: Probe, definition: JobDefinition, id: string, more: object = {}): Promise<void> {
  const queue = services.queues.get('probe');
  await (await queue.getJob(id))?.remove();
  const data = { tenant: 'default', payload: { n: 1 }, requestedAt: 1, timeoutMs: 1000, recheck: true, ...more };
  await queue.add(definition.name, data, { jobId: id, attempts: 3 });
}

describe('an attempt', () => {
  test('runs the handler and completes with its result', async () => {
    const definition = job(async ({ n }) => ({ doubled: n * 2 }));
    const service = await start(definition);
    const { id } = await enqueue(service, definition);
    expect(await service.until(id)).toMatchObject({ state: 'completed', result: { doubled: 2 }, error: null });
  });

  test('that throws is retried and then dead, with its cause and attempts', async () => {
    let runs = 0;
    const definition = job(async () => {
      runs += 1;
      throw new Error('no luck');
    });
    const service = await start(definition);
    const { id } = await enqueue(service, definition, { attempts: 3 });
    const view = await service.until(id);
    expect(view).toMatchObject({
      state: 'dead',
      attempts: { made: 3, most: 3 },
      error: { code: 'internal', message: 'no luck' },
    });
    expect(runs).toBe(3);
    expect((await service.services.inspector.dead('default', 'probe', 10)).map((each) => each.id)).toContain(id);
    expect(await service.services.inspector.dead('other', 'probe', 10)).toEqual([]);
  });

  test('with a permanent error is dead at once', async () => {
    const definition = job(async () => {
      throw new AppError('work-refused', 'never');
    });
    const service = await start(definition);
    const { id } = await enqueue(service, definition);
    expect(await service.until(id)).toMatchObject({
      state: 'dead',
      attempts: { made: 1 },
      error: { code: 'work-refused' },
    });
  });

  test('a dead job can be retried with all its attempts', async () => {
    let broken = true;
    const definition = job(async () => {
      if (broken) throw new Error('broken');
      return 'mended';
    });
    const service = await start(definition);
    const { id } = await enqueue(service, definition, { attempts: 1 });
    await service.until(id, 'dead');
    broken = false;
    await service.services.inspector.retry('default', id);
    expect(await service.until(id)).toMatchObject({ state: 'completed', result: 'mended' });
  });

  test('that snoozes runs again and spends no attempt', async () => {
    let runs = 0;
    const definition = job(async () => {
      runs += 1;
      if (runs < 4) throw new Snooze(5, 'not yet');
      return runs;
    });
    const service = await start(definition);
    const { id } = await enqueue(service, definition, { attempts: 1 });
    expect(await service.until(id)).toMatchObject({ state: 'completed', result: 4 });
  });

  test('ends at its deadline, and its signal with it, though the handler does not listen', async () => {
    const aborted = latch();
    const definition = job(async (_payload, { signal }) => {
      signal.addEventListener('abort', aborted.open);
      await new Promise(() => {});
    });
    const service = await start(definition);
    const { id } = await enqueue(service, definition, { attempts: 1, timeoutMs: 150 });
    await aborted.opened;
    expect(await service.until(id)).toMatchObject({ state: 'dead', error: { code: 'attempt-timed-out' } });
  });

  test('that passed its deadline can no longer apply an effect', async () => {
    const late = latch();
    let refused: unknown;
    const definition = job(async (_payload, { apply, signal }) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      try {
        await apply(async () => 'too late');
      } catch (error) {
        refused = error;
      }
      late.open();
    });
    const service = await start(definition);
    const { id } = await enqueue(service, definition, { attempts: 1, timeoutMs: 150 });
    await late.opened;
    expect(refused).toMatchObject({ code: 'attempt-timed-out' });
    expect(await service.services.ledger.read(id)).toEqual({ outcome: 'none' });
    await service.until(id, 'dead');
  });

  test('with a result that its schema refuses is dead', async () => {
    const definition = job(async () => 'text', { result: z.object({ a: z.int() }) });
    const service = await start(definition);
    const { id } = await enqueue(service, definition);
    expect(await service.until(id)).toMatchObject({ state: 'dead', error: { code: 'result-invalid' } });
  });

  test('with a stored payload that no longer fits is dead at once', async () => {
    const definition = job(async () => null);
    const service = await start(definition);
    const queue = service.services.queues.get('probe');
    const stored = { tenant: 'default', payload: { n: 'one' }, requestedAt: 1, timeoutMs: 1000 };
    await queue.add(definition.name, stored, { jobId: `probe_${'0'.repeat(32)}`, attempts: 5 });
    const view = await service.until(`probe_${'0'.repeat(32)}`);
    expect(view).toMatchObject({ state: 'dead', attempts: { made: 1 }, error: { code: 'payload-invalid' } });
  });

  test('of a job under a former name runs under the new one', async () => {
    const definition = job(async () => 'renamed', { formerly: ['probe.old-name'] });
    const service = await start(definition);
    const stored = { tenant: 'default', payload: { n: 1 }, requestedAt: 1, timeoutMs: 1000 };
    await service.services.queues.get('probe').add('probe.old-name', stored, { jobId: `probe_${'1'.repeat(32)}` });
    expect(await service.until(`probe_${'1'.repeat(32)}`)).toMatchObject({ state: 'completed', result: 'renamed' });
  });

  test('reports its progress', async () => {
    const told = latch();
    const seen = latch();
    const definition = job(async (_payload, { progress }) => {
      await progress({ phase: 'half', percent: 50 });
      told.open();
      await seen.opened;
      return null;
    });
    const service = await start(definition);
    const { id } = await enqueue(service, definition);
    await told.opened;
    expect(await service.services.inspector.job('default', id)).toMatchObject({
      state: 'active',
      progress: { phase: 'half', percent: 50 },
    });
    seen.open();
    await service.until(id);
  });
});

describe('apply', () => {
  const count = async ({ services }: Probe) => {
    const { rows } = await sql<{ n: string }>`SELECT count(*) AS n FROM effects`.execute(services.database);
    return Number(rows[0]?.n);
  };

  test('an effect that was committed before a failure is not applied again, and its result is the first one', async () => {
    let runs = 0;
    const definition = job(async (_payload, { apply }) => {
      runs += 1;
      const run = runs;
      const result = await apply(async (tx) => {
        await sql`INSERT INTO effects VALUES (${run})`.execute(tx);
        return { appliedBy: run };
      });
      if (run === 1) throw new Error('after the commit');
      return result;
    });
    const service = await start(definition);
    await sql`CREATE TABLE IF NOT EXISTS effects (n int)`.execute(service.services.database);
    const { id } = await enqueue(service, definition);
    expect(await service.until(id)).toMatchObject({ state: 'completed', result: { appliedBy: 1 } });
    expect(runs).toBe(2);
    expect(await count(service)).toBe(1);
  });

  test('an effect that throws leaves nothing, and the next attempt applies it', async () => {
    let runs = 0;
    const definition = job(async (_payload, { apply }) =>
      apply(async (tx) => {
        runs += 1;
        await sql`INSERT INTO effects VALUES (100)`.execute(tx);
        if (runs === 1) throw new Error('inside');
        return runs;
      }),
    );
    const service = await start(definition);
    await sql`CREATE TABLE IF NOT EXISTS effects (n int)`.execute(service.services.database);
    const before = await count(service);
    const { id } = await enqueue(service, definition);
    expect(await service.until(id)).toMatchObject({ state: 'completed', result: 2 });
    expect(await count(service)).toBe(before + 1);
  });
});

describe('a job that is handed over again', () => {
  /** Counts its runs, and applies the number of the run as its effect. */
  function counting(more: object = {}, result: (applied: number) => unknown = (applied) => applied) {
    const runs: number[] = [];
    const definition = job(async (_payload, { apply }) => {
      const applied = await apply(async () => runs.push(runs.length + 1));
      return result(applied);
    }, more);
    return { definition, runs };
  }

  test('after it was finished does not run, and completes with its first result', async () => {
    const { definition, runs } = counting();
    const service = await start(definition);
    const { id } = await enqueue(service, definition);
    await service.until(id);
    await replay(service, definition, id);
    expect(await service.until(id)).toMatchObject({ state: 'completed', result: 1 });
    expect(runs).toEqual([1]);
  });

  test('after it was finished makes every process forget, and tells, once more', async () => {
    const writer = profile('default', 'replayed');
    const { definition } = counting({
      exclusive: () => writer,
      invalidates: () => [writer],
      announces: () => [{ type: 'profile.updated', data: { userId: 'replayed', profileVersion: 1 } }],
    });
    const service = await start(definition);
    const { cache, redis } = service.services;
    const { id } = await enqueue(service, definition);
    await service.until(id);
    const remember = () => cache.remember('profile', writer, async () => 'loaded');
    await remember();
    expect((await remember()).outcome).toBe('hit');
    await replay(service, definition, id);
    await service.until(id);
    expect((await remember()).outcome).toBe('miss');
    const stream = await redis.xrange(`${world.config.KEY_PREFIX}events`, '-', '+');
    const told = stream.map(([, [, event]]) => JSON.parse(event ?? '').id).filter((each) => each === `${id}.0`);
    expect(told).toHaveLength(2);
  });

  test('after it was finished and past its expiry is completed, not expired', async () => {
    const { definition, runs } = counting();
    const service = await start(definition);
    const { id } = await enqueue(service, definition);
    await service.until(id);
    await replay(service, definition, id, { expiresAt: 2 });
    expect(await service.until(id)).toMatchObject({ state: 'completed', result: 1 });
    expect(runs).toEqual([1]);
  });

  test('before it was ever run is run, or expires, like any other', async () => {
    const { definition, runs } = counting();
    const service = await start(definition);
    await replay(service, definition, `probe_${'a'.repeat(32)}`);
    await replay(service, definition, `probe_${'b'.repeat(32)}`, { expiresAt: 2 });
    expect(await service.until(`probe_${'a'.repeat(32)}`)).toMatchObject({ state: 'completed', result: 1 });
    expect(await service.until(`probe_${'b'.repeat(32)}`)).toMatchObject({ error: { code: 'job-expired' } });
    expect(runs).toEqual([1]);
  });

  test('whose effect gave something else than its handler runs again, and its effect does not', async () => {
    const { definition, runs } = counting({ result: z.object({ applied: z.int() }) }, (applied) => ({ applied }));
    const service = await start(definition);
    const { id } = await enqueue(service, definition);
    await service.until(id);
    await replay(service, definition, id);
    expect(await service.until(id)).toMatchObject({ state: 'completed', result: { applied: 1 } });
    expect(runs).toEqual([1]);
  });
});

describe('PostgreSQL', () => {
  test('cutting a connection in use ends neither the process nor the job: it runs again and is applied once', async () => {
    let runs = 0;
    const definition = job(async (_payload, { apply }) =>
      apply(async (tx) => {
        runs += 1;
        if (runs === 1) await sql`SELECT pg_terminate_backend(pg_backend_pid())`.execute(tx);
        return runs;
      }),
    );
    const service = await start(definition);
    const { id } = await enqueue(service, definition, { attempts: 1 });
    expect(await service.until(id)).toMatchObject({ state: 'completed', result: 2 });
  });

  test('an effect that hangs frees its connection and its ledger row when the attempt ends', async () => {
    let hangs = true;
    const definition = job(
      async (_payload, { apply }) =>
        apply(async () => {
          if (hangs) await new Promise(() => {});
          return 'went on';
        }),
      { timeoutMs: 200 },
    );
    const service = await start(definition);
    const most = world.config.DATABASE_POOL_SIZE;
    const jobs = await Promise.all(Array.from({ length: most }, () => enqueue(service, definition, { attempts: 1 })));
    for (const { id } of jobs) await service.until(id, 'dead');
    hangs = false;
    const { id } = await enqueue(service, definition);
    expect(await service.until(id, undefined, 8000)).toMatchObject({ state: 'completed', result: 'went on' });
    const first = jobs[0]?.id ?? '';
    await service.services.inspector.retry('default', first);
    expect(await service.until(first)).toMatchObject({ state: 'completed' });
  });
});

describe('retrying twice at once', () => {
  test('is one retry; the others hear that it runs already', async () => {
    let broken = true;
    const hold = latch();
    const definition = job(async () => {
      if (broken) throw new AppError('work-refused', 'no');
      await hold.opened;
      return null;
    });
    const service = await start(definition);
    const { id } = await enqueue(service, definition);
    await service.until(id, 'dead');
    broken = false;
    const { inspector } = service.services;
    const results = await Promise.allSettled([1, 2, 3].map(() => inspector.retry('default', id)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'job-not-dead' });
    hold.open();
    expect((await service.until(id)).state).toBe('completed');
  });
});

describe('one resource', () => {
  test('is held by one attempt at a time; the others wait without spending attempts', async () => {
    let now = 0;
    let most = 0;
    const definition = job(
      async () => {
        now += 1;
        most = Math.max(most, now);
        await new Promise((resolve) => setImmediate(resolve));
        now -= 1;
        return null;
      },
      { exclusive: () => profile('default', 'held') },
    );
    const service = await start(definition);
    const jobs = await Promise.all(Array.from({ length: 20 }, () => enqueue(service, definition, { attempts: 1 })));
    const views = await Promise.all(jobs.map(({ id }) => service.until(id)));
    expect(views.map((view) => view.state)).toEqual(Array(20).fill('completed'));
    expect(most).toBe(1);
  });
});

describe('cancel', () => {
  test('a delayed job is cancelled and never runs, also when it is replayed', async () => {
    let runs = 0;
    const definition = job(async () => {
      runs += 1;
    });
    const service = await start(definition);
    const { id } = await enqueue(service, definition, { runAt: new Date(Date.now() + 60_000) });
    expect(await service.services.inspector.cancel('default', id)).toMatchObject({ state: 'cancelled' });
    expect(await service.services.inspector.job('default', id)).toMatchObject({ state: 'cancelled' });
    await replay(service, definition, id);
    expect(await service.until(id)).toMatchObject({ state: 'cancelled', error: { code: 'job-cancelled' } });
    expect(runs).toBe(0);
  });

  test('a tombstone that comes while a job waits for its next attempt ends it, though it declares nothing', async () => {
    const failed = latch();
    let runs = 0;
    const definition = job(async () => {
      runs += 1;
      failed.open();
      throw new Error('once');
    });
    const service = await start({ ...definition, backoff: { delayMs: 600, capMs: 600 } });
    const { id } = await enqueue(service, definition);
    await failed.opened;
    await service.services.ledger.cancel({ jobId: id, tenant: 'default', job: definition.name });
    expect(await service.until(id)).toMatchObject({ state: 'cancelled' });
    expect(runs).toBe(1);
  });

  test('an active job is 409, a finished one too, another tenant’s does not exist', async () => {
    const running = latch();
    const finish = latch();
    const definition = job(async () => {
      running.open();
      await finish.opened;
      return null;
    });
    const service = await start(definition);
    const { id } = await enqueue(service, definition);
    await running.opened;
    const { inspector } = service.services;
    await expect(inspector.cancel('default', id)).rejects.toMatchObject({ code: 'job-active' });
    await expect(inspector.cancel('other', id)).rejects.toMatchObject({ code: 'job-not-found' });
    finish.open();
    await service.until(id);
    await expect(inspector.cancel('default', id)).rejects.toMatchObject({ code: 'job-finished' });
  });
});

describe('stopping', () => {
  test('puts a running job back, available now, with no attempt spent', async () => {
    const running = latch();
    let runs = 0;
    const definition = job(async () => {
      runs += 1;
      if (runs > 1) return 'second';
      running.open();
      await new Promise(() => {});
    });
    const first = await startProbe(world, [definition]);
    const { id } = await enqueue(first, definition, { attempts: 1 });
    await running.opened;
    await first.stop(3500);
    const service = await start(definition);
    expect(await service.until(id)).toMatchObject({ state: 'completed', result: 'second' });
  });
});

describe('the same request', () => {
  test('with one idempotency key is one job with one answer, from any number of callers at once', async () => {
    let runs = 0;
    const definition = job(async () => {
      runs += 1;
      return null;
    });
    const service = await start(definition);
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => enqueue(service, definition, { idempotencyKey: 'one' })),
    );
    expect(new Set(answers.map(({ id, requestedAt, state }) => `${id} ${requestedAt} ${state}`)).size).toBe(1);
    await service.until(answers[0]?.id ?? '');
    const again = await enqueue(service, definition, { idempotencyKey: 'one' });
    expect(again).toMatchObject({ status: 'duplicate', id: answers[0]?.id });
    expect(runs).toBe(1);
  });

  test('another body under the same key is refused', async () => {
    const definition = job(async () => null);
    const service = await start(definition);
    await enqueue(service, definition, { idempotencyKey: 'two' });
    await expect(enqueue(service, definition, { idempotencyKey: 'two', payload: { n: 2 } })).rejects.toMatchObject({
      code: 'idempotency-key-reused',
    });
  });

  test('a definition’s once makes one job of two', async () => {
    const definition = job(async () => null, { once: ({ n }: { n: number }) => String(n) });
    const service = await start(definition);
    const first = await enqueue(service, definition);
    expect(await enqueue(service, definition)).toMatchObject({ status: 'duplicate', id: first.id });
    expect((await enqueue(service, definition, { payload: { n: 2 } })).id).not.toBe(first.id);
  });
});

describe('events', () => {
  test('enqueue the jobs that wait on them, once', async () => {
    const seen = latch();
    const listener = job(
      async ({ n }) => {
        seen.open();
        return n;
      },
      { on: { event: 'profile.updated', payload: () => ({ n: 7 }) } },
    );
    const teller = job(async () => null, {
      announces: () => [{ type: 'profile.updated', data: { userId: 'u', profileVersion: 1 } }],
    });
    const service = await start(listener, teller);
    const { id } = await enqueue(service, teller);
    expect((await service.until(id)).state).toBe('completed');
    await seen.opened;
    const { services } = service;
    const stream = await services.redis.xrange(`${world.config.KEY_PREFIX}events`, '-', '+');
    const told = stream.map(([, [, event]]) => JSON.parse(event ?? '')).filter((event) => event.id === `${id}.0`);
    expect(told).toMatchObject([{ type: 'profile.updated', version: 1 }]);
  });
});
