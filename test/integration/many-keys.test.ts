/** Removing very many keys holds nobody up: Redis is asked in pages, and frees what goes beside its work. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLogger } from '../../src/logger.ts';
import { jobIdFor } from '../../src/queue/envelope.ts';
import { FinishedJobs } from '../../src/queue/finished-jobs.ts';
import { StrayJobs } from '../../src/queue/stray-jobs.ts';
import type { Expirable } from '../../src/removal.ts';
import { type OwnRedis, startOwnRedis } from '../support/own-redis.ts';

const logger = createLogger({ level: 'silent', role: 'test' });
const DAY_MS = 86_400_000;
const QUEUES = ['first', 'second', 'third', 'fourth', 'fifth'] as const;
const JOBS_EACH = 10_000;
/** A job and the lines that it logged. */
const KEYS = 2 * QUEUES.length * JOBS_EACH;
const JOB = /_[0-9a-f]{64}/;
const LONG_LOG_LINES = 50_000;

let own: OwnRedis;
let redis: OwnRedis['redis'];
let breaker: OwnRedis['breaker'];

beforeEach(async () => {
  own = await startOwnRedis();
  ({ redis, breaker } = own);
});

afterEach(() => own.stop());

/** Jobs that ended two days ago; `listed`: among the completed ones of their queue, as it should be. */
async function fill(listed: boolean): Promise<void> {
  const endedMs = Date.now() - 2 * DAY_MS;
  for (const queue of QUEUES) {
    await redis.hset(`bull:${queue}:meta`, 'opts.maxLenEvents', 1);
    for (let at = 0; at < JOBS_EACH; at += 1000) {
      const pipeline = redis.pipeline();
      for (let each = at; each < at + 1000; each++) {
        // The same ids in every round, so that a command can be told to be the same.
        const id = jobIdFor('default', `${queue}.do`, { kind: 'once', value: String(each) }, endedMs);
        const lines = each === 0 ? Array<string>(LONG_LOG_LINES).fill('one of very many lines') : ['a line'];
        pipeline.hset(`bull:${queue}:${id}`, 'name', `${queue}.do`, 'data', 'x'.repeat(100), 'finishedOn', endedMs);
        pipeline.rpush(`bull:${queue}:${id}:logs`, ...lines);
        if (listed) pipeline.zadd(`bull:${queue}:completed`, endedMs, id);
      }
      await pipeline.exec();
    }
  }
}

/** Fill and remove; the commands that took 10 ms or more, each with its first job, and what was called how often. */
async function removeMany(owner: Expirable, listed: boolean): Promise<{ slow: string[]; stats: string }> {
  await fill(listed);
  const besides = QUEUES.length + (listed ? QUEUES.length : 0) + 1;
  expect(await redis.dbsize()).toBe(KEYS + besides);
  await redis.config('SET', 'slowlog-log-slower-than', 10_000);
  await redis.slowlog('RESET');
  await redis.config('RESETSTAT');
  const removal = await owner.removeExpired({ dryRun: false, signal: new AbortController().signal });
  const log = (await redis.slowlog('GET', 100)) as [number, number, number, string[]][];
  const stats = await redis.info('commandstats');
  expect(removal.removed).toBe(QUEUES.length * JOBS_EACH);
  expect(removal.bytes).toBeGreaterThan(KEYS * 100);
  expect(await redis.dbsize()).toBe(QUEUES.length + 1);
  return {
    slow: log.map(([, , , words]) => [...words.slice(0, 2), words.find((word) => JOB.test(word))].join(' ')),
    stats,
  };
}

const OWNERS: Readonly<Record<string, () => Expirable>> = {
  'finished jobs': () => {
    const keep = { completedMs: DAY_MS, deadMs: DAY_MS, mostJobs: 1e9, mostBytes: 1e12 };
    return new FinishedJobs({ redis, breaker, prefix: 'bull', keep, logger });
  },
  strays: () => new StrayJobs({ redis, breaker, prefix: 'bull', againMs: 1 }),
};

test.each(Object.keys(OWNERS))(
  '100,000 keys of %s go without one command of 10 ms, and without KEYS or DEL',
  async (what) => {
    const owner = OWNERS[what]?.();
    if (owner === undefined) throw new Error(`Nobody owns ${what}.`);
    await redis.set('other', 'stays');
    const listed = what === 'finished jobs';
    let { slow, stats } = await removeMany(owner, listed);
    // Redis counts by the clock: any command may stand still with a busy machine. What blocks by itself does so each time.
    for (let round = 2; round <= 4 && slow.length > 0; round++) {
      const again = await removeMany(owner, listed);
      slow = slow.filter((command) => again.slow.includes(command));
      stats = again.stats;
    }
    expect(slow).toEqual([]);
    expect(stats).not.toMatch(/cmdstat_(keys|del|flushdb|flushall):/);
    expect(Number(/cmdstat_unlink:calls=(\d+)/.exec(stats)?.[1])).toBeGreaterThanOrEqual(QUEUES.length * JOBS_EACH);
    for (const command of ['scan', 'unlink', 'evalsha']) {
      const perCall = new RegExp(`cmdstat_${command}:.*?usec_per_call=([\\d.]+)`).exec(stats)?.[1];
      expect(Number(perCall)).toBeLessThan(2000);
    }
  },
  180_000,
);
