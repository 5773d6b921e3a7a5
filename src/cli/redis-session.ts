/** A connection to the queue Redis for as long as one command runs. */

import type { LocalConfig } from '../config.ts';
import { AppError, messageOf } from '../errors.ts';
import { createLogger } from '../logger.ts';
import { closeRedis, connectRedis, type Redis, redisReady } from '../redis/connections.ts';
import { storeUrl } from './terminal.ts';

const READY_MS = 3000;

/** Connect, run `work`, close whatever happens. Rejects within 3 s with the reason when Redis does not answer. */
export async function withRedis<T>(config: LocalConfig, name: string, work: (redis: Redis) => Promise<T>): Promise<T> {
  const logger = createLogger({ level: 'silent', role: 'cli' });
  const url = storeUrl(config, 'REDIS_URL');
  const redis = connectRedis({ url, role: 'producer', name: `cli:${name}`, logger });
  // Nobody wants a command to try again by itself: the first error ends it.
  const failed = new Promise<never>((_resolve, reject) => redis.once('error', reject));
  try {
    await Promise.race([redisReady(redis, READY_MS), failed]).catch((cause: unknown) => {
      // The host alone: the URL may hold a password.
      const where = `The queue Redis at ${new URL(url).host}`;
      throw new AppError('store-unavailable', `${where} cannot be used: ${messageOf(cause)}.`, { cause });
    });
    return await work(redis);
  } finally {
    await closeRedis(redis);
  }
}
