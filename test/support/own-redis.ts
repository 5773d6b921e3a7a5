/** A Redis that a test has for itself, with a client behind its breaker. */

import { createLogger } from '../../src/logger.ts';
import { Breaker } from '../../src/redis/breaker.ts';
import { closeRedis, connectRedis, redisReady, type ScriptedRedis } from '../../src/redis/connections.ts';
import { type PrivateStore, startPrivateRedis } from './stores.ts';

export interface OwnRedis {
  readonly store: PrivateStore;
  readonly redis: ScriptedRedis;
  readonly breaker: Breaker;
  stop(): Promise<void>;
}

/** Start one; resolves when it answers. */
export async function startOwnRedis(): Promise<OwnRedis> {
  const logger = createLogger({ level: 'silent', role: 'test' });
  const store = await startPrivateRedis();
  const redis = connectRedis({ url: store.url, role: 'producer', name: 'own', logger });
  const breaker = new Breaker({ name: 'redis', client: redis, logger });
  await redisReady(redis, 5000);
  const stop = async () => {
    await breaker.stop();
    await closeRedis(redis);
    await store.stop();
  };
  return { store, redis, breaker, stop };
}
