/**
 * Finding and removing keys by pattern, without ever holding Redis up: SCAN in small steps and UNLINK key by key, with a
 * pause after each batch. Never KEYS, and never a pattern inside a script.
 *
 * Promises: no single command takes longer than a few tenths of a millisecond, however many keys there are; every master
 * of a Cluster is looked at; a run ends with its signal, after `MOST_KEYS` removed keys or after five minutes, and the
 * next one goes on. While Redis is away it rejects with `store-unavailable`.
 */

import { pause } from '../lifecycle.ts';
import { type Removal, type RemovalRun, RemovalTally } from '../removal.ts';
import type { Breaker } from './breaker.ts';
import { mastersOf, type Redis } from './connections.ts';

/** Keys that SCAN looks at in one step, and commands in one pipeline. */
const PER_STEP = 500;
/** Milliseconds in which everybody else has Redis for themselves after a batch was removed. */
const PAUSE_MS = 2;
/** Keys that one run removes at most. */
const MOST_KEYS = 1_000_000;

export interface KeyStore {
  readonly redis: Redis;
  readonly breaker: Pick<Breaker, 'run'>;
}

/** Keys of one server, and a client of that server. */
export interface FoundKeys {
  readonly keys: readonly string[];
  readonly server: Redis;
}

export interface PatternRemoval extends RemovalRun {
  /** As SCAN takes it. */
  readonly pattern: string;
  /** Which of the keys found are meant; all of them unless told. */
  readonly accepts?: (key: string) => boolean;
}

/** A text as SCAN's pattern for itself. */
export function literal(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&');
}

/** Every key that a pattern matches, step by step. One that moves meanwhile may come twice or, if new, not at all. */
export async function* scanKeys({ redis, breaker }: KeyStore, pattern: string): AsyncGenerator<FoundKeys> {
  const servers = mastersOf(redis)?.map(({ client }) => client) ?? [redis];
  for (const server of servers) {
    let cursor = '0';
    do {
      const from = cursor;
      const [next, keys] = await breaker.run(() => server.scan(from, 'MATCH', pattern, 'COUNT', PER_STEP));
      cursor = next;
      if (keys.length > 0) yield { keys, server };
    } while (cursor !== '0');
  }
}

/** Remove every key that a pattern matches. */
export async function removeByPattern(store: KeyStore, removal: PatternRemoval): Promise<Removal> {
  const { pattern, accepts = () => true, dryRun, signal } = removal;
  const tally = new RemovalTally(removal);
  const { breaker } = store;
  for await (const { keys, server } of scanKeys(store, pattern)) {
    signal.throwIfAborted();
    const meant = keys.filter(accepts);
    for (let at = 0; at < meant.length; at += PER_STEP) {
      await tally.add(await breaker.run(() => removeKeys(server, meant.slice(at, at + PER_STEP), dryRun)));
      if (tally.spent || tally.total.removed >= MOST_KEYS) return tally.total;
      await pause(PAUSE_MS, signal);
    }
  }
  return tally.total;
}

/** One pipeline: the size of each key, and each key away. A server that does not tell sizes tells none. */
async function removeKeys(server: Redis, keys: readonly string[], dryRun: boolean): Promise<Removal> {
  const pipeline = server.pipeline();
  for (const key of keys) {
    pipeline.memory('USAGE', key, 'SAMPLES', 0);
    if (dryRun) pipeline.exists(key);
    else pipeline.unlink(key);
  }
  const answers = (await pipeline.exec()) ?? [];
  let removed = 0;
  let bytes = 0;
  for (let place = 1; place < answers.length; place += 2) {
    const [error, gone] = answers[place] ?? [];
    if (error) throw error;
    removed += Number(gone);
    bytes += Number(gone) * Number(answers[place - 1]?.[1] ?? 0);
  }
  return { removed, bytes };
}
