/**
 * Are the Redis servers set up so that our promises hold? Looked at when the process starts and every 30 s.
 *
 * Promises: a queue Redis that may evict keys, keeps no AOF, is a replica or is too old makes the process not ready,
 * with the reason and the cure; of a Cluster every master is looked at, and the reason names it, as it does the master
 * that Sentinels named. The same holds until a first look has succeeded. What a server does not tell (managed
 * ones forbid INFO) is accepted with a warning. While Redis is away the last verdict stands: being away is told by
 * `Health`. Each change of the verdict is one log line.
 */

import { messageOf } from '../errors.ts';
import { type Deadline, type Lifecycle, pause } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { type InfoClient, type RedisFacts, readMasters } from './redis-facts.ts';
import { judge, type StoreVerdict, type Told } from './store-verdict.ts';

export interface StoreCheckOptions {
  /** Queue Redis. */
  readonly redis: InfoClient;
  readonly cacheRedis: InfoClient;
  readonly logger: Logger;
  /** Milliseconds between two looks. */
  readonly everyMs?: number;
}

const ANSWER_MS = 2000;
const NOT_LOOKED: StoreVerdict = {
  refusals: [{ reason: 'The queue Redis has not been checked yet.', cure: 'Wait until it answers, or see REDIS_URL.' }],
  warnings: [],
};

export class StoreCheck implements Lifecycle {
  readonly #redis: InfoClient;
  readonly #cacheRedis: InfoClient;
  readonly #logger: Logger;
  readonly #everyMs: number;
  readonly #ended = new AbortController();
  #verdict = NOT_LOOKED;
  #running: Promise<void> | undefined;

  constructor({ redis, cacheRedis, logger, everyMs = 30_000 }: StoreCheckOptions) {
    this.#redis = redis;
    this.#cacheRedis = cacheRedis;
    this.#logger = logger;
    this.#everyMs = everyMs;
  }

  /** What the last look that got an answer found. */
  get verdict(): StoreVerdict {
    return this.#verdict;
  }

  /** Look once, then go on looking. Resolves after the first look, also when Redis is away. */
  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    const first = this.#tryToLook();
    this.#running = first.then(() => this.#goOn());
    await first;
  }

  async stop(_deadline: Deadline): Promise<void> {
    this.#ended.abort();
    await this.#running;
  }

  /** Look now. Rejects when the queue Redis is away. */
  async look(): Promise<void> {
    const [queue, cache] = await Promise.allSettled([
      readMasters(this.#redis, ANSWER_MS),
      readMasters(this.#cacheRedis, ANSWER_MS),
    ]);
    if (queue.status === 'rejected' && !isForbidden(queue.reason)) throw queue.reason;
    const verdict = judge(factsOf(queue), factsOf(cache));
    if (JSON.stringify(verdict) !== JSON.stringify(this.#verdict)) this.#tell(verdict);
    this.#verdict = verdict;
  }

  async #goOn(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      await pause(this.#pauseMs(), this.#ended.signal);
      if (!this.#ended.signal.aborted) await this.#tryToLook();
    }
  }

  /** A process that is not ready for it looks more often: the cure should show at once. */
  #pauseMs(): number {
    if (this.#verdict === NOT_LOOKED) return Math.min(100, this.#everyMs);
    return this.#verdict.refusals.length > 0 ? Math.min(1000, this.#everyMs) : this.#everyMs;
  }

  async #tryToLook(): Promise<void> {
    try {
      await this.look();
    } catch (error) {
      // The verdict stands; that Redis is away is told by its client and by `Health`.
      this.#logger.debug({ err: { message: messageOf(error) } }, 'the stores could not be checked');
    }
  }

  #tell({ refusals, warnings }: StoreVerdict): void {
    for (const { reason, cure } of refusals) this.#logger.error({ cure }, `not ready: ${reason}`);
    for (const { reason, cure } of warnings) this.#logger.warn({ cure }, reason);
    if (refusals.length + warnings.length === 0) this.#logger.info('the stores are set up as they should be');
  }
}

function isForbidden(error: unknown): boolean {
  return /^(NOPERM|ERR unknown command)/.test(messageOf(error));
}

function factsOf(look: PromiseSettledResult<readonly RedisFacts[]>): Told {
  if (look.status === 'fulfilled') return look.value;
  return isForbidden(look.reason) ? 'forbidden' : 'away';
}
