/** Completing many jobs with one call leaves what BullMQ leaves when it completes them one after the other. */

import { createRedisBackend, type JobsOptions, type QueueBaseOptions, type RedisQueueBackend, Worker } from 'bullmq';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { Deadline } from '../../src/lifecycle.ts';
import { createLogger } from '../../src/logger.ts';
import { type MillraceQueue, Queues } from '../../src/queue/queues.ts';
import { closeRedis, connectRedis, redisReady, type ScriptedRedis } from '../../src/redis/connections.ts';
import { completeTogether } from '../../workers/batched-completion.ts';
import { contents, copyPrefix } from '../support/queue-contents.ts';
import { type PrivateStore, startPrivateRedis } from '../support/stores.ts';

const QUEUE = 'work';
const NOW_MS = 1_795_000_000_000;
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const LOCK_MS = 30_000;
const logger = createLogger({ level: 'silent', role: 'test' });

/** BullMQ's queue of a case, and what a case does to it before the jobs end. */
interface Stage {
  readonly queue: MillraceQueue;
  readonly redis: ScriptedRedis;
  readonly key: (name: string) => string;
  add(id: string, options?: JobsOptions): Promise<unknown>;
  /** Take jobs in turn, each under the token `t-<id>`, until nothing waits or `most` are taken. */
  take(most?: number): Promise<unknown>;
}

/** A job that ends. */
interface Ending {
  readonly id: string;
  readonly returned?: unknown;
  readonly removeOnComplete?: boolean;
  readonly token?: string;
  readonly next?: boolean;
}

interface Case {
  readonly what: string;
  readonly given: (stage: Stage) => Promise<unknown>;
  readonly ends: readonly Ending[];
  /** The ids that BullMQ completes by itself, after the others; none unless told. */
  readonly alone?: readonly string[];
}

const ends = (...ids: string[]): Ending[] => ids.map((id) => ({ id }));
const range = (count: number, prefix = 'j') => Array.from({ length: count }, (_, place) => `${prefix}-${place}`);

/** `taken` jobs run, the rest of `ids` wait. */
const running =
  (taken: number, ids: readonly string[], then?: (stage: Stage) => Promise<unknown>): Case['given'] =>
  async (stage) => {
    for (const id of ids) await stage.add(id);
    await stage.take(taken);
    await then?.(stage);
  };

const CASES: readonly Case[] = [
  { what: 'jobs with others waiting', given: running(3, range(9)), ends: ends('j-0', 'j-1', 'j-2') },
  { what: 'jobs in another order than they were taken', given: running(3, range(4)), ends: ends('j-2', 'j-0', 'j-1') },
  { what: 'some of those that run', given: running(6, range(9)), ends: ends('j-1', 'j-4') },
  {
    what: 'jobs that take no next one',
    given: running(3, range(9)),
    ends: ends('j-0', 'j-1', 'j-2').map((each) => ({ ...each, next: false })),
  },
  { what: 'more jobs than wait', given: running(4, range(6)), ends: ends(...range(4)) },
  { what: 'the last jobs of a queue', given: running(3, range(3)), ends: ends(...range(3)) },
  {
    what: 'the last jobs of a queue, without a next one',
    given: running(2, range(2)),
    ends: ends(...range(2)).map((each) => ({ ...each, next: false })),
  },
  { what: 'fifty jobs', given: running(50, range(120)), ends: ends(...range(50)) },
  {
    what: 'next jobs by priority',
    given: running(2, range(2), async ({ add }) => {
      for (const [place, id] of range(4, 'p').entries()) await add(id, { priority: 4 - place });
    }),
    ends: ends('j-0', 'j-1'),
  },
  {
    what: 'plain next jobs first, then by priority, then none',
    given: running(4, range(5), async ({ add }) => {
      await add('p', { priority: 3 });
    }),
    ends: ends(...range(4)),
  },
  {
    what: 'jobs that had a priority',
    given: async ({ add, take }) => {
      for (const id of range(3)) await add(id, { priority: 2 });
      await take();
    },
    ends: ends(...range(3)),
  },
  {
    what: 'nothing but delayed jobs left',
    given: running(2, range(2), async ({ add }) => {
      await add('later', { delay: 5000 });
      await add('sooner', { delay: 3000 });
    }),
    ends: ends('j-0', 'j-1'),
  },
  { what: 'a paused queue', given: running(2, range(5), ({ queue }) => queue.pause()), ends: ends('j-0', 'j-1') },
  {
    what: 'a queue that runs as many as it may',
    given: running(3, range(9), ({ queue }) => queue.setGlobalConcurrency(3)),
    ends: ends('j-0', 'j-1'),
  },
  {
    what: 'a queue that runs more than it may',
    given: running(4, range(9), ({ queue }) => queue.setGlobalConcurrency(2)),
    ends: ends('j-0', 'j-1', 'j-2', 'j-3'),
  },
  {
    what: 'what a stalled look has marked',
    given: running(2, range(3), ({ redis, key }) => redis.sadd(key('stalled'), 'j-0', 'j-1', 'other')),
    ends: ends('j-0', 'j-1'),
  },
  {
    what: 'jobs that have failed before',
    given: running(2, range(3), ({ redis, key }) => redis.hset(key('j-0'), 'atm', 2, 'stc', 1, 'failedReason', 'no')),
    ends: ends('j-0', 'j-1'),
  },
  {
    what: 'results of all kinds',
    given: running(6, range(8)),
    ends: [null, 0, '', 'ü"\\\n\u0000😀', { result: [{ a: 'x'.repeat(100_000) }] }, [1.5, true]].map(
      (returned, place) => ({ id: `j-${place}`, returned }),
    ),
  },
  {
    what: 'no settings of the events yet',
    given: running(2, range(3), ({ redis, key }) => redis.hdel(key('meta'), 'opts.maxLenEvents')),
    ends: ends('j-0', 'j-1'),
  },
  {
    what: 'the first of a minute',
    given: running(2, range(3), ({ redis, key }) => counted(redis, key, MINUTE_MS)),
    ends: ends('j-0', 'j-1'),
  },
  {
    what: 'the first after five minutes',
    given: running(2, range(3), ({ redis, key }) => counted(redis, key, 5 * MINUTE_MS)),
    ends: ends('j-0', 'j-1'),
  },
  {
    what: 'the first after years, beyond the points that are kept',
    given: running(2, range(3), ({ redis, key }) => counted(redis, key, 1000 * DAY_MS)),
    ends: ends('j-0', 'j-1'),
  },
  {
    what: 'a second time in one minute',
    given: running(2, range(3), ({ redis, key }) => counted(redis, key, 0)),
    ends: ends('j-0', 'j-1'),
  },
  {
    what: 'delayed jobs that are due',
    given: running(3, range(5), due),
    ends: ends(...range(3)),
  },
  {
    what: 'delayed jobs that are due, with nothing else waiting',
    given: running(3, range(3), due),
    ends: ends(...range(3)),
  },
  {
    what: 'delayed jobs that are due in a paused queue',
    given: running(2, range(3), async (stage) => {
      await due(stage);
      await stage.redis.del(stage.key('marker'));
      await stage.queue.pause();
    }),
    ends: ends('j-0', 'j-1'),
  },
  {
    what: 'delayed jobs that are due, and nothing taken',
    given: running(2, range(3), due),
    ends: ends('j-0', 'j-1').map((each) => ({ ...each, next: false })),
  },
  {
    what: 'completed jobs that have had their time',
    given: running(3, range(5), async ({ redis, key }) => {
      for (const id of range(20, 'old')) {
        await redis.hset(key(id), 'name', 'old', 'data', '{}', 'opts', '{}', 'timestamp', 1);
        await redis.zadd(key('completed'), NOW_MS - DAY_MS - 1, id);
      }
      await redis.zadd(key('completed'), NOW_MS - DAY_MS + 1, 'young');
    }),
    ends: ends(...range(3)),
    alone: ['j-0'],
  },
  {
    what: 'a queue with a rate limit',
    given: running(2, range(5), ({ queue }) => queue.setGlobalRateLimit(1, MINUTE_MS)),
    ends: ends('j-0', 'j-1'),
    alone: ['j-0', 'j-1'],
  },
  {
    what: 'a job with a deduplication key',
    given: async ({ add, take }) => {
      await add('j-0');
      await add('one', { deduplication: { id: 'd' } });
      await add('j-1');
      await take();
    },
    ends: ends('j-0', 'one', 'j-1'),
    alone: ['one'],
  },
  {
    what: 'a job that keeps the last of its kind',
    given: async ({ add, take }) => {
      await add('one', { deduplication: { id: 'd', keepLastIfActive: true } });
      await add('j-0');
      await take();
      await add('two', { deduplication: { id: 'd', keepLastIfActive: true } });
    },
    ends: ends('one', 'j-0'),
    alone: ['one'],
  },
  {
    what: 'a job with a parent',
    given: async ({ add, take, redis, key }) => {
      await add('j-0');
      await add('j-1');
      await take();
      await redis.hset(key('j-0'), 'parentKey', key('parent'));
    },
    ends: ends('j-0', 'j-1'),
    alone: ['j-0'],
  },
  {
    what: 'a job whose children are not done',
    given: running(2, range(3), ({ redis, key }) => redis.sadd(key('j-0:dependencies'), key('child'))),
    ends: ends('j-0', 'j-1'),
    alone: ['j-0'],
  },
  {
    what: 'a job whose children have failed',
    given: running(2, range(3), ({ redis, key }) => redis.zadd(key('j-0:unsuccessful'), 1, key('child'))),
    ends: ends('j-0', 'j-1'),
    alone: ['j-0'],
  },
  {
    what: 'a lock that is gone',
    given: running(3, range(4), ({ redis, key }) => redis.del(key('j-1:lock'))),
    ends: ends(...range(3)),
    alone: ['j-1'],
  },
  {
    what: 'a lock that is another worker’s',
    given: running(3, range(4)),
    ends: [{ id: 'j-0' }, { id: 'j-1', token: 'mine' }, { id: 'j-2' }],
    alone: ['j-1'],
  },
  {
    what: 'a job that is gone',
    given: running(3, range(4), ({ redis, key }) => redis.del(key('j-0'), key('j-0:lock'))),
    ends: ends(...range(3)),
    alone: ['j-0'],
  },
  {
    what: 'a job that is not active',
    given: running(3, range(4), ({ redis, key }) => redis.lrem(key('active'), 1, 'j-2')),
    ends: ends(...range(3)),
    alone: ['j-2'],
  },
  {
    what: 'a job that is not a hash',
    given: running(3, range(4), async ({ redis, key }) => {
      await redis.del(key('j-1'));
      await redis.set(key('j-1'), 'tampered');
    }),
    ends: ends(...range(3)),
    alone: ['j-1'],
  },
  {
    what: 'a job whose attempts are no number',
    given: running(3, range(5), ({ redis, key }) => redis.hset(key('j-1'), 'atm', 'tampered')),
    ends: ends(...range(3)),
    alone: ['j-1'],
  },
  {
    what: 'metrics that are no numbers',
    given: running(3, range(5), ({ redis, key }) => redis.hset(key('metrics:completed'), 'count', 'tampered')),
    ends: ends(...range(3)),
    alone: range(3),
  },
  {
    what: 'a most of events that is no number',
    given: running(3, range(5), ({ redis, key }) => redis.hset(key('meta'), 'opts.maxLenEvents', 'tampered')),
    ends: ends(...range(3)),
    alone: range(3),
  },
  {
    what: 'a next job whose options are no JSON',
    given: running(3, range(7), ({ redis, key }) => redis.hset(key('j-4'), 'opts', '{')),
    ends: ends(...range(3)),
  },
  {
    what: 'one job twice',
    given: running(2, range(3)),
    ends: ends('j-0', 'j-0', 'j-1'),
    alone: ['j-0'],
  },
  {
    what: 'a job with a retention of its own',
    given: running(3, range(4)),
    ends: [{ id: 'j-0', removeOnComplete: true }, { id: 'j-1' }, { id: 'j-2' }],
    alone: ['j-0'],
  },
  {
    what: 'a job without a result',
    given: running(3, range(4)),
    ends: [{ id: 'j-0' }, { id: 'j-1', returned: undefined }, { id: 'j-2' }],
    alone: ['j-1'],
  },
];

/** BullMQ has counted 7 completed jobs, the last of them `agoMs` ago. */
function counted(redis: ScriptedRedis, key: (name: string) => string, agoMs: number): Promise<unknown> {
  const prevTS = NOW_MS - agoMs;
  return Promise.all([
    redis.hset(key('metrics:completed'), { count: 7, prevTS, prevCount: 4 }),
    redis.lpush(key('metrics:completed:data'), 2, 1),
  ]);
}

/** Four jobs whose time has come, and one whose has not. */
async function due({ redis, key, add }: Stage): Promise<void> {
  const options = [{}, { priority: 2 }, { priority: 1 }, {}];
  for (const [place, more] of options.entries()) {
    await add(`due-${place}`, { delay: 1000, ...more });
    await redis.zadd(key('delayed'), (NOW_MS - 5) * 0x1000 + place, `due-${place}`);
  }
  await add('far', { delay: 5000 });
}

let store: PrivateStore;
let redis: ScriptedRedis;
let theirs: { readonly prefix: string; readonly queues: Queues; readonly queue: MillraceQueue };
let ours: { readonly prefix: string };
let taker: Worker;
let blocking: ScriptedRedis;

beforeAll(async () => {
  store = await startPrivateRedis();
  redis = connectRedis({ url: store.url, role: 'producer', name: 'completion', logger });
  blocking = connectRedis({ url: store.url, role: 'worker', name: 'completion:worker', logger });
  await Promise.all([redisReady(redis, 5000), redisReady(blocking, 5000)]);
});

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW_MS });
  await redis.flushdb();
  const prefix = '{q}:theirs';
  const queues = new Queues({ names: [QUEUE], redis, prefix, logger });
  theirs = { prefix, queues, queue: queues.get(QUEUE) };
  ours = { prefix: '{q}:ours' };
  taker = new Worker(QUEUE, null, { connection: blocking, prefix, autorun: false, lockDuration: LOCK_MS });
  await theirs.queue.getVersion();
});

afterEach(async () => {
  vi.useRealTimers();
  await taker.close();
  await theirs.queues.stop(Deadline.in(1000));
});

afterAll(async () => {
  await Promise.all([closeRedis(redis), closeRedis(blocking)]);
  await store.stop();
});

function stage(): Stage {
  const { queue } = theirs;
  const key = (name: string) => `${theirs.prefix}:${QUEUE}:${name}`;
  const take = async (most = Number.POSITIVE_INFINITY) => {
    for (let taken = 0; taken < most; taken += 1) {
      const job = await taker.getNextJob('token', { block: false });
      if (job === undefined) return;
      await redis.set(key(`${job.id}:lock`), `t-${job.id}`, 'PX', LOCK_MS);
    }
  };
  const add = (id: string, options: JobsOptions = {}) =>
    queue.add(
      'work.do',
      { tenant: 'default', payload: { id }, requestedAt: NOW_MS, timeoutMs: 60_000 },
      {
        jobId: id,
        attempts: 3,
        backoff: { type: 'custom' },
        timestamp: NOW_MS,
        ...options,
      },
    );
  return { queue, redis, key, add, take };
}

/** A backend as a Worker of ours has it; what goes BullMQ's own way is put down in `alone`. */
function backend(prefix: string, most: number, alone: string[] = []): RedisQueueBackend {
  const kept = { removeOnComplete: { age: DAY_MS / 1000 }, metrics: { maxDataPoints: 1440 } };
  const made = createRedisBackend(QUEUE, {
    ...kept,
    connection: blocking,
    prefix,
    lockDuration: LOCK_MS,
  } as QueueBaseOptions);
  if (most === 0) return made;
  const own = made.moveToCompleted.bind(made);
  made.moveToCompleted = (job, ...rest) => {
    alone.push(job.id ?? '');
    return own(job, ...rest);
  };
  completeTogether(made, {
    client: blocking,
    queue: QUEUE,
    prefix,
    lockMs: LOCK_MS,
    keepMs: DAY_MS,
    dataPoints: 1440,
    most,
  });
  return made;
}

/** What comes of an ending: the next job as BullMQ would make one, or why it did not end. */
async function end(backend: RedisQueueBackend, { id, token = `t-${id}`, next = true, ...rest }: Ending) {
  const job = { id, name: 'work.do', data: {}, opts: { attempts: 3 }, progress: 0, returnvalue: null };
  const returned = 'returned' in rest ? rest.returned : { result: id };
  const { removeOnComplete } = rest;
  try {
    // BullMQ hands on what the job's own options say, which is mostly nothing.
    const keep = removeOnComplete as boolean;
    const { result, finishedOn } = await backend.moveToCompleted(job as never, returned, keep, token, next);
    // The rest of a rate limit's time runs on between the two.
    return { finishedOn, result: result?.map((part, at) => (at === 2 && part > 0 ? 'a while' : part)) };
  } catch (error) {
    return String(error).replaceAll(theirs.prefix, ours.prefix);
  }
}

describe('completing jobs together', () => {
  test.each(CASES)('leaves what BullMQ leaves: $what', async ({ given, ends, alone = [] }) => {
    await given(stage());
    await copyPrefix(redis, theirs.prefix, ours.prefix);
    const byThemselves: string[] = [];
    const together = backend(ours.prefix, 200, byThemselves);
    const our = await Promise.all(ends.map((each) => end(together, each)));

    const one = backend(theirs.prefix, 0);
    const left = [...alone];
    const isAlone = ends.map(({ id }, place) => {
      const at = left.indexOf(id);
      // Of two endings of one job it is the second that is left.
      if (at === -1 || ends.findLastIndex((other) => other.id === id) !== place) return false;
      left.splice(at, 1);
      return true;
    });
    const their: unknown[] = [];
    for (const [place, each] of ends.entries()) if (!isAlone[place]) their[place] = await end(one, each);
    for (const [place, each] of ends.entries()) if (isAlone[place]) their[place] = await end(one, each);

    expect(our).toEqual(their);
    expect(byThemselves).toEqual(alone);
    expect(await contents(redis, ours.prefix)).toEqual(await contents(redis, theirs.prefix));
  });

  test('leaves what BullMQ leaves, batch after batch', async () => {
    const kind = fc.record({ priority: fc.constantFrom(0, 0, 0, 1, 2), delay: fc.constantFrom(0, 0, 0, 9000) });
    const batch = fc.record({ size: fc.integer({ min: 2, max: 6 }), next: fc.array(fc.boolean(), { minLength: 6 }) });
    const plan = fc.record({
      kinds: fc.array(kind, { minLength: 2, maxLength: 25 }),
      taken: fc.integer({ min: 2, max: 10 }),
      batches: fc.array(batch, { minLength: 1, maxLength: 8 }),
      concurrency: fc.constantFrom(undefined, undefined, 2, 5),
    });
    await fc.assert(
      fc.asyncProperty(plan, async ({ kinds, taken, batches, concurrency }) => {
        await redis.flushdb();
        const { add, take, queue, key } = stage();
        for (const [place, options] of kinds.entries()) await add(`j-${place}`, options);
        await take(taken);
        if (concurrency !== undefined) await queue.setGlobalConcurrency(concurrency);
        await copyPrefix(redis, theirs.prefix, ours.prefix);
        const [one, together] = [backend(theirs.prefix, 0), backend(ours.prefix, 200)];
        for (const { size, next } of batches) {
          const ids = (await redis.lrange(key('active'), 0, -1)).slice(0, size);
          if (ids.length < 2) return;
          const locks = await Promise.all(ids.map((id) => redis.get(key(`${id}:lock`))));
          const all = ids.map((id, place) => ({ id, token: locks[place] ?? '', next: next[place] ?? true }));
          const our = await Promise.all(all.map((each) => end(together, each)));
          const their: unknown[] = [];
          for (const each of all) their.push(await end(one, each));
          expect(our).toEqual(their);
        }
        expect(await contents(redis, ours.prefix)).toEqual(await contents(redis, theirs.prefix));
      }),
      { numRuns: 40, seed: 20261121 },
    );
  });

  test('trims the events as BullMQ does', async () => {
    const most = 20;
    const { add, take, key } = stage();
    for (const id of range(400)) await add(id);
    await take(200);
    await redis.hset(key('meta'), 'opts.maxLenEvents', most);
    await copyPrefix(redis, theirs.prefix, ours.prefix);
    const together = backend(ours.prefix, 200);
    await Promise.all(range(200).map((id) => end(together, { id, next: false })));
    const one = backend(theirs.prefix, 0);
    for (const id of range(200)) await end(one, { id, next: false });
    const tails = [theirs, ours].map(async ({ prefix }) => {
      const events = await redis.xrange(`${prefix}:${QUEUE}:events`, '-', '+');
      return events.slice(-most).map(([, fields]) => fields);
    });
    const [their, our] = await Promise.all(tails);
    expect(our).toEqual(their);
    expect(our).toHaveLength(most);
  });

  test('asks Redis once for what ends in one turn, in calls of half of what runs at once', async () => {
    await running(40, range(80))(stage());
    await copyPrefix(redis, theirs.prefix, ours.prefix);
    const alone: string[] = [];
    const together = backend(ours.prefix, 20, alone);
    await redis.config('RESETSTAT');
    await Promise.all(range(40).map((id) => end(together, { id })));
    expect(await scriptCalls()).toBe(2);
    expect(alone).toEqual([]);
    expect(await redis.zcard(`${ours.prefix}:${QUEUE}:completed`)).toBe(40);
    expect(await redis.llen(`${ours.prefix}:${QUEUE}:active`)).toBe(40);
  });

  test('sends long results in calls of about a million characters', async () => {
    await running(5, range(9))(stage());
    await copyPrefix(redis, theirs.prefix, ours.prefix);
    const alone: string[] = [];
    const together = backend(ours.prefix, 20, alone);
    await redis.config('RESETSTAT');
    await Promise.all(range(5).map((id) => end(together, { id, returned: 'x'.repeat(400_000) })));
    expect(await scriptCalls()).toBe(3);
    expect(alone).toEqual(['j-4']);
    expect(await redis.zcard(`${ours.prefix}:${QUEUE}:completed`)).toBe(5);
  });

  test('leaves a job that ends alone to BullMQ', async () => {
    await running(1, range(2))(stage());
    await copyPrefix(redis, theirs.prefix, ours.prefix);
    const alone: string[] = [];
    const [our, their] = [
      await end(backend(ours.prefix, 20, alone), { id: 'j-0' }),
      await end(backend(theirs.prefix, 0), { id: 'j-0' }),
    ];
    expect(our).toEqual(their);
    expect(alone).toEqual(['j-0']);
  });

  test('has done nothing when Redis takes no writes, and BullMQ says why for each', async () => {
    await running(4, range(8))(stage());
    await copyPrefix(redis, theirs.prefix, ours.prefix);
    const before = await contents(redis, ours.prefix);
    const together = backend(ours.prefix, 20);
    await redis.config('SET', 'min-replicas-to-write', '1');
    const refused = await Promise.all(range(4).map((id) => end(together, { id })));
    await redis.config('SET', 'min-replicas-to-write', '0');
    expect(refused).toEqual(range(4).map(() => expect.stringContaining('NOREPLICAS')));
    expect(await contents(redis, ours.prefix)).toEqual(before);
    await Promise.all(range(4).map((id) => end(together, { id })));
    expect(await redis.zrange(`${ours.prefix}:${QUEUE}:completed`, 0, '-1')).toEqual(range(4));
  });

  test('ends jobs, and takes the next ones, though Redis is full', async () => {
    await running(3, range(6))(stage());
    await copyPrefix(redis, theirs.prefix, ours.prefix);
    const alone: string[] = [];
    const [one, together] = [backend(theirs.prefix, 0), backend(ours.prefix, 20, alone)];
    await redis.config('SET', 'maxmemory', '1');
    const our = await Promise.all(range(3).map((id) => end(together, { id })));
    const their: unknown[] = [];
    for (const id of range(3)) their.push(await end(one, { id }));
    await redis.config('SET', 'maxmemory', '0');
    expect(our).toEqual(their);
    expect(alone).toEqual([]);
    expect(await contents(redis, ours.prefix)).toEqual(await contents(redis, theirs.prefix));
  });

  test('a call that is sent again after it was carried out changes nothing', async () => {
    await running(3, range(9))(stage());
    const together = backend(theirs.prefix, 20);
    await Promise.all(range(3).map((id) => end(together, { id })));
    const before = await contents(redis, theirs.prefix);
    const again = await Promise.all(range(3).map((id) => end(together, { id })));
    expect(again).toEqual(range(3).map((id) => `Error: Missing lock for job ${id}. moveToFinished`));
    expect(await contents(redis, theirs.prefix)).toEqual(before);
  });

  test('a next job that is no hash keeps nobody from ending', async () => {
    const { key } = stage();
    await running(3, range(5))(stage());
    await redis.set(key('j-9'), 'tampered');
    await redis.rpush(key('wait'), 'j-9');
    const together = backend(theirs.prefix, 20);
    const ended = await Promise.all(range(3).map((id) => end(together, { id })));
    expect(ended.map((each) => typeof each)).toEqual(['object', 'object', 'object']);
    expect(await redis.zrange(key('completed'), 0, '-1')).toEqual(range(3));
    expect(await redis.lrange(key('active'), 0, -1)).toEqual(['j-4', 'j-3', 'j-9']);
  });

  test('a delayed job that is no hash is met once, and those due before it come once', async () => {
    const { key, add } = stage();
    await running(3, range(3))(stage());
    for (const [place, id] of ['first', 'broken', 'last'].entries()) {
      await add(id, { delay: 1000 });
      await redis.zadd(key('delayed'), (NOW_MS - 5) * 0x1000 + place, id);
    }
    await redis.del(key('broken'));
    await redis.set(key('broken'), 'tampered');
    const together = backend(theirs.prefix, 20);
    await Promise.all(range(3).map((id) => end(together, { id })));
    expect(await redis.zrange(key('completed'), 0, '-1')).toEqual(range(3));
    expect(await redis.lrange(key('active'), 0, -1)).toEqual(['first']);
    expect(await redis.lrange(key('wait'), 0, -1)).toEqual([]);
  });
});

/** Script calls since the statistics were reset. */
async function scriptCalls(): Promise<number> {
  const stats = await redis.info('commandstats');
  const calls = [...stats.matchAll(/^cmdstat_eval(?:sha)?:calls=(\d+).*?failed_calls=(\d+)/gm)];
  return calls.reduce((sum, [, made, failed]) => sum + Number(made) - Number(failed), 0);
}
