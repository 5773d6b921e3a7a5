import { Worker } from 'bullmq';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Handover, type HandoverJob, MOST_PER_CALL } from '../../src/accepting/handover.ts';
import { Deadline } from '../../src/lifecycle.ts';
import { createLogger } from '../../src/logger.ts';
import type { Envelope } from '../../src/queue/envelope.ts';
import { type MillraceQueue, Queues } from '../../src/queue/queues.ts';
import { closeRedis, connectRedis, redisReady, type ScriptedRedis } from '../../src/redis/connections.ts';
import { contents, copyPrefix } from '../support/queue-contents.ts';
import { createWorld, type World } from '../support/world.ts';

const QUEUE = 'work';
const NOW_MS = Date.now();
const DAY_MS = 86_400_000;
const logger = createLogger({ level: 'silent', role: 'test' });

function envelope(payload: unknown): string {
  return JSON.stringify({ tenant: 'default', payload, requestedAt: NOW_MS, timeoutMs: 60_000 } satisfies Envelope);
}

/** A job of the queue, plain unless told. */
function job(id: string, more: Partial<HandoverJob> = {}): HandoverJob {
  const plain = { name: 'work.do', data: envelope({ id }), timestamp: NOW_MS, delayMs: 0, priority: 0, attempts: 3 };
  return { id, ...plain, ...more };
}

/** Hand a job over as `Producer` does with BullMQ's own `add`: what the script is held to. */
async function addOne(queue: MillraceQueue, { id, name, data, delayMs, priority, ...rest }: HandoverJob) {
  await queue.add(name, JSON.parse(data) as Envelope, {
    jobId: id,
    attempts: rest.attempts,
    timestamp: rest.timestamp,
    backoff: { type: 'custom' },
    ...(delayMs > 0 && { delay: delayMs }),
    ...(priority > 0 && { priority }),
  });
}

type Taker = Worker<Envelope, unknown, string>;

interface Case {
  readonly what: string;
  /** Bring BullMQ's queue into the state that the jobs find. */
  readonly given?: (queue: MillraceQueue, taker: Taker, redis: ScriptedRedis) => Promise<unknown>;
  readonly jobs: readonly HandoverJob[];
  /** The ids that are there already, or twice; none unless told. */
  readonly known?: readonly number[];
}

/** Take the next job and let it end. */
async function end(taker: Taker, how: 'completed' | 'failed'): Promise<void> {
  const taken = await taker.getNextJob('token', { block: false });
  if (taken === undefined) throw new Error('There is no job to take.');
  if (how === 'completed') await taken.moveToCompleted({ result: 1 }, 'token', false);
  else await taken.moveToFailed(new Error('no'), 'token', false);
}

const many = (count: number, make: (place: number) => HandoverJob) => Array.from({ length: count }, (_, i) => make(i));
const mixed = (place: number) =>
  job(`mixed-${place}`, {
    name: place % 5 === 0 ? 'work.other' : 'work.do',
    timestamp: NOW_MS + (place % 7),
    delayMs: place % 3 === 0 ? 1000 * (1 + (place % 2)) : 0,
    priority: place % 4 === 0 ? 1 + (place % 9) : 0,
    attempts: 1 + (place % 3),
  });

const CASES: readonly Case[] = [
  { what: 'a plain job', jobs: [job('a')] },
  { what: 'a delayed job', jobs: [job('a', { delayMs: DAY_MS })] },
  {
    what: 'a delayed job whose time has passed',
    jobs: [job('a', { timestamp: NOW_MS - DAY_MS, delayMs: 1000 }), job('b')],
  },
  { what: 'a job requested long ago', jobs: [job('a', { timestamp: 1 }), job('b')] },
  { what: 'a delay of three thousand years', jobs: [job('a', { delayMs: 99_999_999_999_999 })] },
  { what: 'a delay beyond the exact scores', jobs: [job('a', { delayMs: 5e11 + 1 }), job('b', { delayMs: 5e11 + 1 })] },
  { what: 'jobs of the same millisecond', jobs: many(5, (i) => job(`j-${i}`, { delayMs: 5000 })) },
  {
    what: 'more jobs of a millisecond than BullMQ has scores for',
    given: (_queue, taker, redis) => redis.zadd(taker.toKey('delayed'), (NOW_MS + 5000) * 4096 + 4093, 'earlier'),
    jobs: many(4, (i) => job(`j-${i}`, { delayMs: 5000 })),
  },
  { what: 'a job of priority 1', jobs: [job('a', { priority: 1 })] },
  { what: 'priorities 100 and the last', jobs: [job('a', { priority: 100 }), job('b', { priority: 2 ** 21 - 1 })] },
  {
    what: 'priorities when their counter turns over',
    given: (_queue, taker, redis) => redis.set(taker.toKey('pc'), 2 ** 32 - 2),
    jobs: many(4, (i) => job(`j-${i}`, { priority: 1 + i })),
  },
  { what: 'a delayed job with a priority', jobs: [job('a', { delayMs: 5000, priority: 7 })] },
  { what: '0, 1 and 25 attempts', jobs: [0, 1, 25].map((attempts) => job(`j-${attempts}`, { attempts })) },
  {
    what: 'unicode everywhere',
    jobs: [job('größe-ключ-😀', { name: 'arbeit.größe-😀', data: envelope('ä €\u2028\u0000 😀 \uffff') })],
  },
  {
    what: 'an id and a name that need escapes',
    jobs: [job('a"b\'c\\d\ne\tf\u0000g\u007f/%d%s-1-2', { name: 'n"\\\n\u0000%1', delayMs: 1000 })],
  },
  { what: 'a megabyte', jobs: [job('a', { data: envelope('ü'.repeat(500_000)) }), job('b')] },
  { what: 'all kinds in one call', jobs: many(60, mixed) },
  { what: 'the most jobs of one call', jobs: many(MOST_PER_CALL, (i) => job(`j-${i}`)) },
  { what: 'as many options as jobs', jobs: many(MOST_PER_CALL, (i) => job(`j-${i}`, { delayMs: i, priority: i })) },
  {
    what: 'one id twice in one call',
    jobs: [job('a'), job('b'), job('a', { data: envelope('other'), delayMs: 5000 })],
    known: [2],
  },
  { what: 'an id that waits', given: (queue) => addOne(queue, job('a')), jobs: [job('b'), job('a')], known: [1] },
  {
    what: 'an id that waits by priority',
    given: (queue) => addOne(queue, job('a', { priority: 3 })),
    jobs: [job('b', { priority: 3 }), job('a', { priority: 1 })],
    known: [1],
  },
  {
    what: 'an id that is delayed',
    given: (queue) => addOne(queue, job('a', { delayMs: DAY_MS })),
    jobs: [job('a', { delayMs: 1000 }), job('b', { delayMs: 2 * DAY_MS })],
    known: [0],
  },
  {
    what: 'an id that runs',
    given: async (queue, taker) => {
      await addOne(queue, job('a'));
      await taker.getNextJob('token', { block: false });
    },
    jobs: [job('a'), job('b')],
    known: [0],
  },
  {
    what: 'an id that is completed',
    given: async (queue, taker) => {
      await addOne(queue, job('a'));
      await end(taker, 'completed');
    },
    jobs: [job('a'), job('b')],
    known: [0],
  },
  {
    what: 'an id that has failed for good',
    given: async (queue, taker) => {
      await addOne(queue, job('a', { attempts: 1 }));
      await end(taker, 'failed');
    },
    jobs: [job('b'), job('a'), job('a')],
    known: [1, 2],
  },
  { what: 'only known ids', given: (queue) => addOne(queue, job('a')), jobs: [job('a'), job('a')], known: [0, 1] },
  {
    what: 'a paused queue',
    given: async (queue) => {
      await addOne(queue, job('earlier'));
      await queue.pause();
    },
    jobs: [job('a'), job('b', { priority: 2 }), job('c', { delayMs: 1000 })],
  },
  {
    what: 'a queue that was paused and goes on',
    given: async (queue) => {
      await queue.pause();
      await queue.resume();
    },
    jobs: [job('a')],
  },
  {
    what: 'a queue whose concurrency is reached',
    given: async (queue, taker, redis) => {
      await queue.setGlobalConcurrency(1);
      await addOne(queue, job('running'));
      await taker.getNextJob('token', { block: false });
      // A worker that waits takes the marker first.
      await redis.del(taker.toKey('marker'));
    },
    jobs: [job('a'), job('b', { priority: 2 }), job('c', { delayMs: 1000 })],
  },
  {
    what: 'a queue whose concurrency is not reached',
    given: (queue) => queue.setGlobalConcurrency(1),
    jobs: [job('a'), job('b', { priority: 2 })],
  },
  {
    what: 'a queue with a rate limit that is used up',
    given: async (queue) => {
      await queue.setGlobalRateLimit(1, 60_000);
      await queue.rateLimit(60_000);
    },
    jobs: [job('a'), job('b', { priority: 2 })],
  },
  {
    what: 'a queue after obliterate',
    given: async (queue) => {
      await addOne(queue, job('a'));
      await queue.obliterate();
    },
    jobs: [job('a'), job('b', { delayMs: 1000 })],
  },
  {
    what: 'the first job ever',
    given: (_queue, _taker, redis) => redis.flushdb(),
    jobs: [job('a')],
  },
  {
    what: 'a queue with a job scheduler',
    given: (queue) => queue.upsertJobScheduler('tick', { every: DAY_MS }, { name: 'tick' }),
    jobs: [job('a'), job('b', { delayMs: 1000 }), job('c', { delayMs: 2 * DAY_MS })],
  },
];

let world: World;
let redis: ScriptedRedis;
let blocking: ScriptedRedis;
let taker: Taker;
let theirs: { readonly prefix: string; readonly queues: Queues; readonly queue: MillraceQueue };
let ours: { readonly prefix: string; readonly queues: Queues };

beforeAll(async () => {
  world = await createWorld({ migrate: false });
  const { REDIS_URL: url } = world.config;
  redis = connectRedis({ url, role: 'producer', name: 'handover', logger });
  blocking = connectRedis({ url, role: 'worker', name: 'handover:worker', logger });
  await Promise.all([redisReady(redis, 5000), redisReady(blocking, 5000)]);
});

beforeEach(async () => {
  await redis.flushdb();
  const [names, { QUEUE_PREFIX }] = [[QUEUE], world.config];
  const [theirPrefix, ourPrefix] = [`${QUEUE_PREFIX}:theirs`, `${QUEUE_PREFIX}:ours`];
  const queues = new Queues({ names, redis, prefix: theirPrefix, logger });
  theirs = { prefix: theirPrefix, queues, queue: queues.get(QUEUE) };
  ours = { prefix: ourPrefix, queues: new Queues({ names, redis, prefix: ourPrefix, logger }) };
  taker = new Worker(QUEUE, null, { connection: blocking, prefix: theirPrefix, autorun: false });
  // BullMQ writes what a queue is, such as its version, when the queue is made.
  for (const queue of [theirs.queue, ours.queues.get(QUEUE)]) await queue.getVersion();
});

afterEach(async () => {
  await taker.close();
  for (const queues of [theirs.queues, ours.queues]) await queues.stop(Deadline.in(1000));
});

afterAll(async () => {
  await Promise.all([closeRedis(redis), closeRedis(blocking)]);
  await world.close();
});

const handover = (bullmqVersion?: string) =>
  new Handover({ ...ours, redis, logger, ...(bullmqVersion !== undefined && { bullmqVersion }) });

describe.each([
  ['the batch script', undefined],
  ['addBulk, with another BullMQ', '6.8.0'],
])('%s', (_way, version) => {
  test.each(CASES)('leaves what BullMQ leaves: $what', async ({ given, jobs, known = [] }) => {
    await given?.(theirs.queue, taker, redis);
    await copyPrefix(redis, theirs.prefix, ours.prefix);
    for (const each of jobs) await addOne(theirs.queue, each);
    const added = await handover(version).add(QUEUE, jobs);
    const [their, our] = [await contents(redis, theirs.prefix), await contents(redis, ours.prefix)];
    expect(Object.keys(their).length).toBeGreaterThan(jobs.length - known.length);
    expect(our).toEqual(their);
    expect(added).toEqual(jobs.map((_, place) => !known.includes(place)));
  });

  test('leaves what BullMQ leaves, call after call', async () => {
    for (let from = 0; from < 100; from += 20) {
      // Five of each call were in the call before.
      const jobs = many(25, (i) => mixed(from + i));
      for (const each of jobs) await addOne(theirs.queue, each);
      const added = await handover(version).add(QUEUE, jobs);
      expect(added.filter((isNew) => !isNew)).toHaveLength(from === 0 ? 0 : 5);
    }
    expect(await contents(redis, ours.prefix)).toEqual(await contents(redis, theirs.prefix));
  });

  test.each([
    ['plain jobs', (place: number) => job(`j-${place}`)],
    ['jobs with a priority', (place: number) => job(`j-${place}`, { priority: 1 })],
    ['delayed jobs', (place: number) => job(`j-${place}`, { delayMs: DAY_MS })],
    ['known jobs', (place: number) => job(`earlier-${place % 9}`)],
  ])('trims the events as BullMQ does: %s', async (_what, make) => {
    const most = 20;
    await redis.hset(taker.toKey('meta'), 'opts.maxLenEvents', most);
    for (const each of many(10, (i) => job(`earlier-${i}`))) await addOne(theirs.queue, each);
    await copyPrefix(redis, theirs.prefix, ours.prefix);
    const jobs = many(MOST_PER_CALL, make);
    for (const each of jobs) await addOne(theirs.queue, each);
    await handover(version).add(QUEUE, jobs);
    // Redis trims whole blocks of about a hundred events, and where a block ends depends on the clock.
    const tails = [theirs, ours].map(async ({ prefix }) => {
      const events = await redis.xrange(`${prefix}:${QUEUE}:events`, '-', '+');
      expect(events.length).toBeGreaterThanOrEqual(most);
      expect(events.length).toBeLessThan(most + 150);
      return events.slice(-most).map(([, fields]) => fields);
    });
    const [their, our] = await Promise.all(tails);
    expect(our).toEqual(their);
  });
});

describe('the batch script', () => {
  test('writes the data as it was given, byte for byte', async () => {
    const texts = [
      '{ "a" : 1.0, "a": 2 }',
      '{"__proto__":{"x":"\\u0000"}}',
      '{"2":1,"1":"\\ud83d\\ude00 😀"}\n',
      '"%s\r\n$-1"',
    ];
    const jobs = texts.map((data, place) => job(`j-${place}`, { data }));
    await handover().add(QUEUE, jobs);
    const key = (id: string) => `${ours.prefix}:${QUEUE}:${id}`;
    const stored = await Promise.all(jobs.map(({ id }) => redis.hgetBuffer(key(id), 'data')));
    expect(stored).toEqual(texts.map((text) => Buffer.from(text)));
  });
});

test('another BullMQ version is warned of once, when the handover is made', async () => {
  const lines: string[] = [];
  const telling = createLogger({ level: 'info', role: 'test', destination: { write: (line) => lines.push(line) } });
  const other = new Handover({ ...ours, redis, logger: telling, bullmqVersion: '6.8.0' });
  await other.add(QUEUE, [job('a')]);
  await other.add(QUEUE, [job('b')]);
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ level: 'warn', bullmq: '6.8.0', madeFor: '6.7.0' }]);
  lines.length = 0;
  await new Handover({ ...ours, redis, logger: telling }).add(QUEUE, [job('c')]);
  expect(lines).toEqual([]);
});
