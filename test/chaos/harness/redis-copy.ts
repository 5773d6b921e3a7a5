/**
 * An old copy of the queue Redis's files, to be put back later: what a restore from a backup, or the promotion of a
 * replica that was behind, does to everything since.
 *
 * Promises: the copy is one that Redis can load: it is taken while Redis writes nothing. Restoring needs Redis stopped.
 */

import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import type { Service } from './service.ts';

export class RedisCopy {
  readonly #from: string;
  readonly #at: string;

  private constructor(from: string, at: string) {
    this.#from = from;
    this.#at = at;
  }

  /** Copy the files as they are now. */
  static async take(service: Service, redis: Redis): Promise<RedisCopy> {
    const [, folder] = (await redis.config('GET', 'dir')) as string[];
    const [, name] = (await redis.config('GET', 'appenddirname')) as string[];
    if (folder === undefined || name === undefined) throw new Error('Redis does not tell where its files are.');
    const copy = new RedisCopy(join(folder, name), join(service.folder, 'redis-copy'));
    service.redis.pause();
    try {
      rmSync(copy.#at, { recursive: true, force: true });
      mkdirSync(copy.#at);
      cpSync(copy.#from, copy.#at, { recursive: true });
    } finally {
      service.redis.resume();
    }
    return copy;
  }

  /** Put the copy in the place of the files. Redis must have been killed. */
  restore(): void {
    if (!existsSync(this.#at)) throw new Error('There is no copy.');
    rmSync(this.#from, { recursive: true, force: true });
    cpSync(this.#at, this.#from, { recursive: true });
  }
}
