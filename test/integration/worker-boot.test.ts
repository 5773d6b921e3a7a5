import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { Deadline } from '../../src/lifecycle.ts';
import { createLogger } from '../../src/logger.ts';
import { Catalog, loadCatalog } from '../../src/queue/catalog.ts';
import { defineJob } from '../../src/queue/job.ts';
import { WorkerProcess } from '../../workers/worker.ts';
import { latch } from '../support/latch.ts';
import { EAGER, startProbe } from '../support/probe-worker.ts';
import { REAL_JOBS } from '../support/producer-side.ts';
import { createWorld, type World } from '../support/world.ts';

const real = await loadCatalog(REAL_JOBS);

let world: World;

beforeAll(async () => {
  world = await createWorld();
});

afterAll(() => world.close());

function job(name: string, run: () => Promise<null> = async () => null) {
  return defineJob({ name, about: 'A probe.', payload: z.strictObject({}), result: z.null(), example: {}, run });
}

describe('a worker', () => {
  const boot = (queues: readonly string[]) => {
    const logger = createLogger({ level: 'silent', role: 'test' });
    const catalog = new Catalog([job('probe.a'), job('other.b')]);
    return () => new WorkerProcess({ config: world.config, catalog, logger, queues, rows: { probe: EAGER } });
  };

  test('does not boot for a queue without a pool row, and says where to add it', () => {
    expect(boot([])).toThrow('jobs/other/ has no row in workers/pools.ts');
  });

  test('does not boot for an unknown queue, and names those there are', () => {
    expect(boot(['nothing'])).toThrow('There is no queue "nothing". There are: other, probe.');
  });

  describe('with an isolated definition that no process could load', () => {
    const start = (queues: readonly string[]) => {
      const logger = createLogger({ level: 'silent', role: 'test' });
      const catalog = new Catalog([{ ...job('probe.a'), isolated: true }, job('other.b')]);
      const rows = { probe: EAGER, other: EAGER };
      return () => new WorkerProcess({ config: world.config, catalog, logger, queues, rows });
    };

    test('does not boot for its queue', () => {
      expect(start(['probe'])).toThrow('probe.a is isolated, so it must be a file');
    });

    test('boots for the other queues', async () => {
      const worker = start(['other'])();
      await worker.start();
      await worker.stop(Deadline.in(5000));
    });
  });

  test('runs at most as many jobs at once as its row says', async () => {
    let now = 0;
    let most = 0;
    const full = latch();
    const definition = job('probe.crowd', async () => {
      now += 1;
      most = Math.max(most, now);
      if (now === 3) full.open();
      await full.opened;
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
      return null;
    });
    const probe = await startProbe(world, [definition], { ...EAGER, concurrency: 3 });
    const { producer } = probe.services;
    const jobs = await Promise.all(
      Array.from({ length: 20 }, () => producer.enqueue({ tenant: 'default', job: 'probe.crowd', payload: {} })),
    );
    await Promise.all(jobs.map(({ id }) => probe.until(id)));
    await probe.stop();
    expect(most).toBe(3);
  });
});

describe('a worker over the definitions of the service', () => {
  const inQueue = (queue: string) => real.all.filter((each) => each.queue === queue);
  const isolated = (queue: string) => inQueue(queue).some((each) => each.isolated);
  const make = (catalog: Catalog, queues: readonly string[]) => {
    const logger = createLogger({ level: 'silent', role: 'test' });
    return new WorkerProcess({ config: world.config, catalog, logger, queues });
  };
  const bootAndStop = async (catalog: Catalog, queues: readonly string[]) => {
    const worker = make(catalog, queues);
    await worker.start();
    await worker.stop(Deadline.in(5000));
  };

  test('has isolated queues and others', () => {
    expect(new Set(real.queues.map(isolated))).toEqual(new Set([true, false]));
  });

  test.each(real.queues)('boots for the queue %s alone, and for a catalog that holds nothing else', async (queue) => {
    await bootAndStop(real, [queue]);
    await bootAndStop(new Catalog(inQueue(queue), real.directory), []);
  });

  test.each(real.queues.filter((queue) => !isolated(queue)))('boots for the queue %s without a folder', (queue) =>
    bootAndStop(new Catalog(real.all), [queue]),
  );

  test.each(real.queues.filter(isolated))('does not boot for the queue %s without a folder', (queue) => {
    expect(() => make(new Catalog(real.all), [queue])).toThrow('must be a file');
  });
});
