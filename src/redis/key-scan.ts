/**
 * Finding keys by pattern without ever holding Redis up: SCAN in small steps, never KEYS, never a pattern in a script.
 * Whoever removes what was found does it a page at a time, with UNLINK.
 *
 * Promises: no step takes longer than a few tenths of a millisecond, however many keys there are; every master of a
 * Cluster is looked at. Ends with its signal. While Redis is away it rejects with `store-unavailable`.
 */

import type { Breaker } from './breaker.ts';
import { mastersOf, type Redis } from './connections.ts';

/** Keys that are looked at in one step. */
const PER_STEP = 500;

export interface KeyStore {
  readonly redis: Redis;
  readonly breaker: Pick<Breaker, 'run'>;
}

/** A text as SCAN's pattern for itself. */
export function literal(text: string): string {
  return text.replace(/[\\*?[\]]/g, '\\$&');
}

/** Every key that a pattern matches, step by step. One that moves meanwhile may come twice or, if new, not at all. */
export async function* scanKeys(
  { redis, breaker }: KeyStore,
  pattern: string,
  signal: AbortSignal,
): AsyncGenerator<readonly string[]> {
  const servers = mastersOf(redis)?.map(({ client }) => client) ?? [redis];
  for (const server of servers) {
    let cursor = '0';
    do {
      signal.throwIfAborted();
      const from = cursor;
      const [next, keys] = await breaker.run(() => server.scan(from, 'MATCH', pattern, 'COUNT', PER_STEP));
      cursor = next;
      if (keys.length > 0) yield keys;
    } while (cursor !== '0');
  }
}
