/**
 * Since when Redis remembers everything: what it shows from before may be an older state that came back.
 *
 * A Redis that was started on an old copy of its files, or a promoted replica that lagged, shows jobs that were removed or
 * finished since. Promises: after a connection was lost everything is doubted until the server has told when it began and
 * which history it has; a server with another run or replication id is believed from now on only. A server that does not
 * tell is believed from the moment of each connection on.
 */

import { messageOf } from '../errors.ts';
import type { Lifecycle } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import type { ScriptedRedis } from './connections.ts';

export interface RedisHistoryOptions {
  readonly redis: ScriptedRedis;
  /** Any key in the slot of the queues: its owner is asked. */
  readonly key: string;
  readonly logger: Logger;
  readonly clock?: () => number;
}

export class RedisHistory implements Lifecycle {
  readonly #options: RedisHistoryOptions;
  readonly #clock: () => number;
  readonly #doubt = () => {
    this.#believedSinceMs = Number.POSITIVE_INFINITY;
  };
  readonly #ready = () => void this.#look();
  #believedSinceMs = Number.POSITIVE_INFINITY;
  #server: string | undefined;
  /** When another server, or another history, was met. */
  #floorMs = 0;
  #started = false;

  constructor(options: RedisHistoryOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
  }

  /** Milliseconds since 1970: what was done after that is remembered; Infinity while that is not known. */
  get believedSinceMs(): number {
    return this.#believedSinceMs;
  }

  async start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    this.#options.redis.on('close', this.#doubt);
    this.#options.redis.on('ready', this.#ready);
    await this.#look();
  }

  async stop(): Promise<void> {
    this.#options.redis.off('close', this.#doubt);
    this.#options.redis.off('ready', this.#ready);
  }

  async #look(): Promise<void> {
    const { redis, key, logger } = this.#options;
    try {
      const info = await redis.serverInfo(key);
      const field = (name: string) => new RegExp(`^${name}:(\\w+)`, 'm').exec(info)?.[1] ?? '';
      const server = `${field('run_id')} ${field('master_replid')}`;
      const uptime = Number(field('uptime_in_seconds') || Number.NaN);
      const nowMs = this.#clock();
      if (this.#server !== undefined && this.#server !== server) this.#floorMs = nowMs;
      this.#server = server;
      this.#believedSinceMs = Math.max(this.#floorMs, Number.isNaN(uptime) ? nowMs : nowMs - uptime * 1000);
    } catch (error) {
      // It stays in doubt; the next connection asks again.
      logger.debug({ err: { message: messageOf(error) } }, 'could not ask Redis for its history');
    }
  }
}
