/** Queues whose jobs are as old as a test wants: BullMQ makes them, and their times are moved back. */

import { Worker } from 'bullmq';
import { Deadline } from '../../src/lifecycle.ts';
import { createLogger } from '../../src/logger.ts';
import type { Envelope } from '../../src/queue/envelope.ts';
import { jobIdFor } from '../../src/queue/envelope.ts';
import type { MillraceQueue } from '../../src/queue/queues.ts';
import { Queues } from '../../src/queue/queues.ts';
import { Breaker } from '../../src/redis/breaker.ts';
import { closeRedis, connectRedis, redisReady, type ScriptedRedis } from '../../src/redis/connections.ts';
import type { World } from './world.ts';

export const QUEUE = 'work';

export type FinalState = 'completed' | 'failed';

/** A queue with its connection, and hands to put jobs into it. */
export interface AgedQueue {
  readonly redis: ScriptedRedis;
  readonly breaker: Breaker;
  readonly prefix: string;
  readonly queue: MillraceQueue;
  /** Add a job that waits; `once`: with an id that answers repeats. */
  add(more?: { once?: string; delayMs?: number; priority?: number; payload?: unknown }): Promise<string>;
  /** Add a job and let it end so long ago. */
  end(state: FinalState, agoMs: number, more?: { once?: string; payload?: unknown }): Promise<string>;
  /** Take the next job, and leave it running. */
  take(): Promise<string>;
  /** Every key under the prefix of the queue. */
  keys(): Promise<string[]>;
  close(): Promise<void>;
}

/** Make a queue in this world. */
export async function makeAgedQueue({ config }: World, name = QUEUE): Promise<AgedQueue> {
  const logger = createLogger({ level: config.LOG_LEVEL, role: 'test' });
  const { QUEUE_PREFIX: prefix, REDIS_URL: url } = config;
  const redis = connectRedis({ url, role: 'producer', name: 'aged', logger });
  await redisReady(redis, 5000);
  const breaker = new Breaker({ name: 'redis', client: redis, logger });
  const queues = new Queues({ names: [name], redis, prefix, logger });
  const queue = queues.get(name);
  const working = connectRedis({ url, role: 'worker', name: 'aged:work', logger });
  const taker = new Worker<Envelope, unknown, string>(name, null, { connection: working, prefix, autorun: false });
  const takeNext = async () => {
    const job = await taker.getNextJob('token', { block: false });
    if (job === undefined) throw new Error('There is no job to take.');
    return job;
  };
  const add: AgedQueue['add'] = async ({ once, delayMs, priority, payload = {} } = {}) => {
    const nowMs = Date.now();
    const sameness = once === undefined ? undefined : ({ kind: 'once', value: once } as const);
    const jobId = jobIdFor('default', `${name}.do`, sameness, nowMs);
    const data = { tenant: 'default', payload, requestedAt: nowMs, timeoutMs: 1000 };
    await queue.add(`${name}.do`, data, {
      jobId,
      attempts: 1,
      ...(delayMs !== undefined && { delay: delayMs }),
      ...(priority !== undefined && { priority }),
    });
    return jobId;
  };
  return {
    redis,
    breaker,
    prefix,
    queue,
    add,
    take: async () => (await takeNext()).id ?? '',
    end: async (state, agoMs, more) => {
      // Nothing else waits: the job that is taken is the one that was added.
      const id = await add(more);
      const job = await takeNext();
      if (state === 'completed') await job.moveToCompleted({ result: 1 }, 'token', false);
      else await job.moveToFailed(new Error('internal: no'), 'token', false);
      const endedMs = Date.now() - agoMs;
      await redis.zadd(queue.toKey(state), endedMs, id);
      await redis.hset(queue.toKey(id), 'finishedOn', endedMs);
      return id;
    },
    keys: async () => (await redis.keys(`${prefix}:${name}:*`)).sort(),
    close: async () => {
      await taker.close();
      await closeRedis(working);
      await queues.stop(Deadline.in(1000));
      await breaker.stop();
      await closeRedis(redis);
    },
  };
}
