/** A cache as one process has it: a client, a breaker and a `Cache`, with their log lines. Several make several processes. */

import { Cache } from '../../src/cache.ts';
import type { Config } from '../../src/config.ts';
import { createLogger } from '../../src/logger.ts';
import { Breaker } from '../../src/redis/breaker.ts';
import { closeRedis, connectRedis, redisReady, type ScriptedRedis } from '../../src/redis/connections.ts';

export interface CacheProcess {
  readonly cache: Cache;
  readonly redis: ScriptedRedis;
  readonly breaker: Breaker;
  /** The messages logged so far. */
  messages(): string[];
  /** How each read was answered, as the cache told it. */
  readonly reads: readonly string[];
  /** Resolves when the breaker next opens or closes. */
  becomes(state: 'open' | 'closed'): Promise<void>;
  close(): Promise<void>;
}

/** Start one, connected. `clock`: milliseconds since 1970. */
export async function startCache(config: Config, clock: () => number = Date.now): Promise<CacheProcess> {
  const lines: string[] = [];
  const reads: string[] = [];
  const logger = createLogger({ level: 'info', role: 'test', destination: { write: (line) => lines.push(line) } });
  const redis = connectRedis({ url: config.REDIS_CACHE_URL, role: 'cache', name: 'cache', logger });
  await redisReady(redis, 5000);
  const breaker = new Breaker({ name: 'cache', client: redis, logger });
  const cache = new Cache({ redis, breaker, config, logger, clock, onRead: (outcome) => reads.push(outcome) });
  return {
    cache,
    reads,
    redis,
    breaker,
    messages: () => lines.map((line) => (JSON.parse(line) as { msg: string }).msg),
    becomes: (state) =>
      new Promise((resolve) => {
        const off = breaker.onChange((now) => {
          if (now !== state) return;
          off();
          resolve();
        });
      }),
    close: async () => {
      await cache.stop();
      await breaker.stop();
      await closeRedis(redis);
    },
  };
}
