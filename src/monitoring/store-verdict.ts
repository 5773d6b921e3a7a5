/**
 * What facts about the Redis servers mean: reasons to refuse, things to warn of, and the cure of each. A computation.
 */

import type { RedisFacts } from './redis-facts.ts';

/** What a server told. `forbidden`: it answers, but INFO is not allowed. `away`: it does not answer. */
export type Told = RedisFacts | 'forbidden' | 'away';

/** Something about a store, in words for a person: what is so, and what to do about it. */
export interface Finding {
  readonly reason: string;
  readonly cure: string;
}

/** What the last look found. */
export interface StoreVerdict {
  /** Why the process must not be ready; empty: it may. */
  readonly refusals: readonly Finding[];
  /** What is accepted but should be known. */
  readonly warnings: readonly Finding[];
}

/** BullMQ 6 works from 5.0 but asks for 6.2: scripts of delayed jobs need it. */
const OLDEST_VERSION = [6, 2] as const;
/** Share of `maxmemory` from which writes may soon be refused. */
const NEARLY_FULL = 0.9;

/** The verdict on two servers. */
export function judge(
  queue: RedisFacts | 'forbidden' | 'away',
  cache: RedisFacts | 'forbidden' | 'away',
): StoreVerdict {
  const cacheWarnings =
    typeof cache === 'string' ? [] : cacheFindings(cache, typeof queue === 'string' ? undefined : queue);
  if (typeof queue === 'string') {
    const reason = 'The queue Redis does not allow INFO, so its policy, AOF and version could not be checked.';
    const cure = 'Allow INFO to this user, or make sure of noeviction, appendonly yes and version 6.2 or later.';
    return { refusals: [], warnings: [{ reason, cure }, ...cacheWarnings] };
  }
  return { refusals: queueRefusals(queue), warnings: [...queueWarnings(queue), ...cacheWarnings] };
}

function queueRefusals({ evictionPolicy, appendOnly, role, version }: RedisFacts): Finding[] {
  const found: Finding[] = [];
  if (evictionPolicy !== undefined && evictionPolicy !== 'noeviction') {
    found.push({
      reason: `The queue Redis has maxmemory-policy ${evictionPolicy}: it would drop accepted jobs when memory is full.`,
      cure: 'CONFIG SET maxmemory-policy noeviction (and in redis.conf), or point REDIS_URL at another server.',
    });
  }
  if (appendOnly === false) {
    found.push({
      reason: 'The queue Redis keeps no append-only file: accepted jobs would not survive its restart.',
      cure: 'CONFIG SET appendonly yes (and in redis.conf), or point REDIS_URL at another server.',
    });
  }
  if (role === 'replica') {
    found.push({
      reason: 'The queue Redis is a replica: it cannot take writes.',
      cure: 'Point REDIS_URL at the primary.',
    });
  }
  if (version !== undefined && isTooOld(version)) {
    found.push({
      reason: `The queue Redis is version ${version}; at least ${OLDEST_VERSION.join('.')} is needed.`,
      cure: 'Upgrade it, or point REDIS_URL at another server.',
    });
  }
  return found;
}

function queueWarnings({ evictionPolicy, appendOnly, version, usedMemory, maxMemory }: RedisFacts): Finding[] {
  const found: Finding[] = [];
  const untold = Object.entries({ 'maxmemory-policy': evictionPolicy, appendonly: appendOnly, version });
  const names = untold.filter(([, value]) => value === undefined).map(([name]) => name);
  if (names.length > 0) {
    found.push({
      reason: `The queue Redis does not tell its ${names.join(', ')}.`,
      cure: 'Make sure of noeviction, appendonly yes and version 6.2 or later in its provider’s settings.',
    });
  }
  if (usedMemory !== undefined && maxMemory !== undefined && maxMemory > 0 && usedMemory >= NEARLY_FULL * maxMemory) {
    const percent = Math.floor((100 * usedMemory) / maxMemory);
    found.push({
      reason: `The queue Redis uses at least ${percent - (percent % 5)} % of its maxmemory: when it is full, jobs are refused.`,
      cure: 'Raise maxmemory, add workers, or remove finished jobs.',
    });
  }
  return found;
}

function cacheFindings(cache: RedisFacts, queue: RedisFacts | undefined): Finding[] {
  if (queue?.runId !== undefined && queue.runId === cache.runId) {
    return [
      {
        reason: 'The cache and the queues are on one Redis server: cached values take the memory of accepted jobs.',
        cure: 'Give REDIS_CACHE_URL a server of its own, with a maxmemory and allkeys-lru.',
      },
    ];
  }
  const found: Finding[] = [];
  if (cache.maxMemory === 0) {
    found.push({
      reason: 'The cache Redis has no maxmemory: it grows until the machine has no memory left.',
      cure: 'CONFIG SET maxmemory 256mb (and in redis.conf).',
    });
  }
  if (cache.evictionPolicy === 'noeviction') {
    found.push({
      reason: 'The cache Redis has maxmemory-policy noeviction: when memory is full, nothing more is cached.',
      cure: 'CONFIG SET maxmemory-policy allkeys-lru (and in redis.conf).',
    });
  }
  return found;
}

function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < OLDEST_VERSION[0] || (major === OLDEST_VERSION[0] && minor < OLDEST_VERSION[1]);
}
