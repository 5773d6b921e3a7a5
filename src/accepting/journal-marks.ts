/**
 * The marks of journals that are gone for good: a disk that died, a machine that was given back.
 *
 * Promises: a mark of a journal that lives is renewed every second and never goes; one that goes had not moved for as long
 * as records are kept. Should its journal come back all the same, it is looked through as if Redis remembered nothing.
 * While Redis is away it rejects with `store-unavailable`.
 */

import type { Breaker } from '../redis/breaker.ts';
import type { ScriptedRedis } from '../redis/connections.ts';
import { type Expirable, type Removal, type RemovalRun, RemovalTally } from '../removal.ts';

export interface JournalMarksOptions {
  readonly redis: ScriptedRedis;
  readonly breaker: Pick<Breaker, 'run'>;
  /** The hash of marks. */
  readonly key: string;
  readonly keepMs: number;
  readonly clock?: () => number;
}

/** Fields that are looked at in one step. */
const PER_STEP = 500;

export class JournalMarks implements Expirable {
  readonly #options: JournalMarksOptions;
  readonly #clock: () => number;

  constructor(options: JournalMarksOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
  }

  async removeExpired(run: RemovalRun): Promise<Removal> {
    const { redis, breaker, key, keepMs } = this.#options;
    const tally = new RemovalTally(run);
    const beforeMs = this.#clock() - keepMs;
    let cursor = '0';
    do {
      const from = cursor;
      const [next, flat] = await breaker.run(() => redis.hscan(key, from, 'COUNT', PER_STEP));
      cursor = next;
      for (let at = 0; at < flat.length; at += 2) {
        const [field = '', mark = ''] = flat.slice(at, at + 2);
        const atMs = Number(mark.split(' ')[1]);
        if (Number.isNaN(atMs) || atMs >= beforeMs) continue;
        const gone = run.dryRun ? 1 : await breaker.run(() => redis.dropMark(key, field, mark));
        await tally.add({ removed: gone, bytes: gone * (field.length + mark.length) });
      }
    } while (cursor !== '0' && !tally.spent);
    return tally.total;
  }
}
