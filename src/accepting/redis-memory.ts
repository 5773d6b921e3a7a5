/**
 * How far Redis remembers what this journal has handed over.
 *
 * Once a second a mark is put into Redis: the number below which everything was handed over, and when. Redis keeps the
 * order of writes when it replicates, appends and restarts, so a mark that is gone, or older than the last one, or on
 * another server (another run or replication id), says how much may be lost. The mark lies in the slot of the queues.
 *
 * Promises: a mark is only ever put over the one that was put last, in one step, so that no loss is painted over. While
 * Redis is away it rejects with `store-unavailable`.
 */

import type { Breaker } from '../redis/breaker.ts';
import type { ScriptedRedis } from '../redis/connections.ts';

/** What was put, or found. */
export interface Mark {
  /** Every entry below was handed over. */
  readonly end: number;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/** The server and the mark, as last seen. */
export interface RedisSight {
  /** Run id and replication id. */
  readonly server: string;
  readonly mark: Mark;
}

/** What a look has found. */
export type Remembered =
  /** The last mark stands on the same server; the new one is put. */
  | { readonly kind: 'all'; readonly sight: RedisSight }
  /** What was handed over since `sinceMs` may be lost. */
  | { readonly kind: 'until'; readonly sinceMs: number; readonly sight: RedisSight }
  /** Nothing is remembered. */
  | { readonly kind: 'nothing'; readonly sight: RedisSight };

/** Milliseconds before a loss that may be lost too: what a lagging replica is believed to be behind at most. */
const MARGIN_MS = 10_000;

export interface RedisMemoryOptions {
  readonly redis: ScriptedRedis;
  readonly breaker: Breaker;
  /** The hash of marks. */
  readonly key: string;
  /** This journal's own field in it. */
  readonly field: string;
}

export class RedisMemory {
  readonly #redis: ScriptedRedis;
  readonly #breaker: Breaker;
  readonly #key: string;
  readonly #field: string;

  constructor({ redis, breaker, key, field }: RedisMemoryOptions) {
    this.#redis = redis;
    this.#breaker = breaker;
    this.#key = key;
    this.#field = field;
  }

  /** Compare what Redis has with what was seen last, and put the new mark where nothing is lost. */
  async look(last: RedisSight | undefined, mark: Mark): Promise<Remembered> {
    const [found, info] = await this.#breaker.run(() =>
      this.#redis.replaceMark(this.#key, this.#field, last === undefined ? '' : textOf(last.mark), textOf(mark)),
    );
    const server = serverOf(info);
    const sight = { server, mark };
    if (last === undefined || found === null) return { kind: 'nothing', sight };
    const stands = markOf(found);
    if (found !== textOf(last.mark)) {
      return { kind: 'until', sinceMs: Math.min(stands.atMs, last.mark.atMs) - MARGIN_MS, sight };
    }
    if (server !== last.server) return { kind: 'until', sinceMs: last.mark.atMs - MARGIN_MS, sight };
    return { kind: 'all', sight };
  }

  /** Put a mark whatever stands there: everything that was lost is handed over again. */
  async put(mark: Mark): Promise<void> {
    await this.#breaker.run(() => this.#redis.hset(this.#key, this.#field, textOf(mark)));
  }

  /** Take the mark away: the journal is empty and ends. */
  async forget(): Promise<void> {
    await this.#breaker.run(() => this.#redis.hdel(this.#key, this.#field));
  }
}

function textOf({ end, atMs }: Mark): string {
  return `${end} ${atMs}`;
}

function markOf(text: string): Mark {
  const [end = 0, atMs = 0] = text.split(' ').map(Number);
  return { end, atMs };
}

/** What tells one server, and one history of it, from another. */
function serverOf(info: string): string {
  const field = (name: string) => new RegExp(`^${name}:([0-9a-f]+)`, 'm').exec(info)?.[1] ?? '';
  return `${field('run_id')} ${field('master_replid')}`;
}
