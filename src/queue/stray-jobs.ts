/**
 * Jobs that stand in no list of their queue: what `DEL bull:learning:active`, a half-restored copy or a bug leaves behind.
 *
 * A stray that has ended, or that has lost its body, is rubbish and goes. One that has not ended was accepted and never
 * done: it goes back into its queue, marked so that its worker asks the ledger first.
 *
 * Promises: a job that stands anywhere is never touched: a stray is seen as one twice, seconds apart, and a third time in
 * the step that removes it or brings it back, which does nothing if the job is in any list, locked, or running. Only ids
 * of our own are looked at. While Redis is away it rejects with `store-unavailable`.
 */

import { pause } from '../lifecycle.ts';
import type { Breaker } from '../redis/breaker.ts';
import type { ScriptedRedis } from '../redis/connections.ts';
import { literal, scanKeys } from '../redis/key-scan.ts';
import { type Expirable, type Removal, type RemovalRun, RemovalTally } from '../removal.ts';
import { queueOfJobId } from './envelope.ts';
import { JOB_PARTS } from './job-parts.ts';

/** What became of strays: `removed` are gone, `requeued` are back in their queues. */
export interface StrayRemoval extends Removal {
  readonly requeued: number;
}

export interface StrayJobsOptions {
  readonly redis: ScriptedRedis;
  readonly breaker: Pick<Breaker, 'run'>;
  /** BullMQ's key prefix. */
  readonly prefix: string;
  /** Milliseconds since anything happened to a job before it can be a stray. */
  readonly quietMs?: number;
  /** Milliseconds between the first two looks. */
  readonly againMs?: number;
  readonly clock?: () => number;
}

const QUIET_MS = 3_600_000;
const AGAIN_MS = 5000;
/** Strays of one queue that one run deals with. */
const MOST = 10_000;
/** Ids in one call, and entries of a list in one. */
const PER_LOOK = 100;
const PER_LIST = 1000;
/** A list in which looking for one entry would hold Redis up for milliseconds: strays wait until it is shorter. */
const LONG_LIST = 50_000;

const LISTS = ['wait', 'active', 'paused'] as const;
const SETS = ['completed', 'failed', 'delayed', 'prioritized', 'waiting-children'] as const;

/** What the last step says of one. */
type Verdict = readonly [what: 'stands' | 'removed' | 'requeued', bytes: number];

export class StrayJobs implements Expirable<StrayRemoval> {
  readonly #options: StrayJobsOptions;
  readonly #clock: () => number;

  constructor(options: StrayJobsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
  }

  async removeExpired(run: RemovalRun): Promise<StrayRemoval> {
    const tally = new RemovalTally(run);
    let requeued = 0;
    for (const [queue, ids] of await this.#seenTwice(run)) {
      for (const id of ids) {
        const [what, bytes] = await this.#settle(queue, id, run.dryRun);
        if (what === 'requeued') requeued += 1;
        await tally.add(what === 'removed' ? { removed: 1, bytes } : { removed: 0, bytes: 0 });
        if (tally.spent) return { ...tally.total, requeued };
      }
    }
    return { ...tally.total, requeued };
  }

  /** Ids that stood nowhere at two looks, by queue. */
  async #seenTwice({ signal }: RemovalRun): Promise<Map<string, string[]>> {
    const strays = await this.#suspects(signal);
    for (const [queue, ids] of strays) await this.#leaveOutListed(queue, ids, signal);
    if ([...strays.values()].every(({ size }) => size === 0)) return new Map();
    await pause(this.#options.againMs ?? AGAIN_MS, signal);
    const twice = new Map<string, string[]>();
    for (const [queue, ids] of strays) {
      const still = new Set(await this.#homeless(queue, [...ids]));
      await this.#leaveOutListed(queue, still, signal);
      twice.set(queue, [...still]);
    }
    return twice;
  }

  /** Ids whose keys are there and which stand in none of the sets of their queue. */
  async #suspects(signal: AbortSignal): Promise<Map<string, Set<string>>> {
    const { redis, breaker, prefix } = this.#options;
    const suspects = new Map<string, Set<string>>();
    for await (const keys of scanKeys({ redis, breaker }, `${literal(prefix)}:*_*`, signal)) {
      for (const [queue, ids] of idsByQueue(keys, prefix)) {
        const found = suspects.get(queue) ?? new Set();
        suspects.set(queue, found);
        if (found.size < MOST) for (const id of await this.#homeless(queue, ids)) found.add(id);
      }
    }
    return suspects;
  }

  async #homeless(queue: string, ids: readonly string[]): Promise<string[]> {
    const { redis, breaker, quietMs = QUIET_MS } = this.#options;
    const found: string[] = [];
    for (let at = 0; at < ids.length; at += PER_LOOK) {
      const some = ids.slice(at, at + PER_LOOK);
      const sets = SETS.map((set) => this.#key(queue, set));
      const keys = [...sets, ...some.map((id) => this.#key(queue, id))];
      const values = [SETS.length, this.#clock() - quietMs, ...some];
      const places = await breaker.run(() => redis.findHomeless(keys.length, ...keys, ...values));
      for (const place of places) found.push(some[place - 1] ?? '');
    }
    return found;
  }

  /** Take out of `ids` what a list of the queue has. A list is walked in pages: Redis never looks for each. */
  async #leaveOutListed(queue: string, ids: Set<string>, signal: AbortSignal): Promise<void> {
    const { redis, breaker } = this.#options;
    for (const list of LISTS) {
      const key = this.#key(queue, list);
      if (ids.size === 0 || (await breaker.run(() => redis.type(key))) !== 'list') continue;
      for (let at = 0; ids.size > 0; at += PER_LIST) {
        signal.throwIfAborted();
        const page = await breaker.run(() => redis.lrange(key, at, at + PER_LIST - 1));
        for (const id of page) ids.delete(id);
        if (page.length < PER_LIST) break;
      }
    }
  }

  /** The third look and the deed, in one step. */
  #settle(queue: string, id: string, dryRun: boolean): Promise<Verdict> {
    const { redis, breaker } = this.#options;
    const of = (name: string) => this.#key(queue, name);
    const shared = [...LISTS, ...SETS, 'stalled', 'meta', 'marker', 'events'].map(of);
    const own = [of(id), of(`${id}:lock`), ...JOB_PARTS.map((part) => of(`${id}:${part}`))];
    const values = [id, dryRun ? 0 : 1, this.#clock(), LONG_LIST];
    return breaker.run(() => redis.settleStray(...shared, ...own, ...values));
  }

  #key(queue: string, name: string): string {
    return `${this.#options.prefix}:${queue}:${name}`;
  }
}

/** Ids of our own among these keys. A key of something else that lies under the prefix is nobody's business here. */
function idsByQueue(keys: readonly string[], prefix: string): Map<string, string[]> {
  const found = new Map<string, Set<string>>();
  for (const key of keys) {
    const [queue = '', id = '', part] = key.slice(prefix.length + 1).split(':');
    if (queueOfJobId(id) !== queue || (part !== undefined && !JOB_PARTS.some((each) => each === part))) continue;
    const ids = found.get(queue) ?? new Set();
    found.set(queue, ids.add(id));
  }
  return new Map([...found].map(([queue, ids]) => [queue, [...ids]]));
}
