/**
 * What facts about the Redis servers mean: reasons to refuse, things to warn of, and the cure of each. A computation.
 */

import type { RedisFacts } from './redis-facts.ts';

/** What each master told. `forbidden`: it answers, but INFO is not allowed. `away`: it does not answer. */
export type Told = readonly RedisFacts[] | 'forbidden' | 'away';

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
/** How to name a server that the URL takes for a single one. */
const OTHER_URL: Readonly<Record<string, string>> = {
  cluster: 'Write REDIS_URL as redis+cluster://host:port,host:port and set QUEUE_PREFIX={bull}.',
  sentinel: 'Write REDIS_URL as redis+sentinel://host:port,host:port/master-name.',
};
/** Share of `maxmemory` from which writes may soon be refused. */
const NEARLY_FULL = 0.9;

/** The verdict on the queue Redis and the cache Redis. */
export function judge(queue: Told, cache: Told): StoreVerdict {
  const cacheWarnings = typeof cache === 'string' ? [] : cacheFindings(cache, typeof queue === 'string' ? [] : queue);
  if (typeof queue === 'string') {
    const reason = 'The queue Redis does not allow INFO, so its policy, AOF and version could not be checked.';
    const cure = 'Allow INFO to this user, or make sure of noeviction, appendonly yes and version 6.2 or later.';
    return { refusals: [], warnings: [{ reason, cure }, ...cacheWarnings] };
  }
  return { refusals: queue.flatMap(queueRefusals), warnings: [...queue.flatMap(queueWarnings), ...cacheWarnings] };
}

/** How a server is called: by its place when there may be several, or another one tomorrow. */
function named(which: 'queue' | 'cache', { place }: RedisFacts): string {
  return place === undefined ? `The ${which} Redis` : `The ${which} Redis at ${place}`;
}

function queueRefusals(facts: RedisFacts): Finding[] {
  const { evictionPolicy, appendOnly, role, version, place, mode } = facts;
  const it = named('queue', facts);
  const cure = place === undefined && mode !== undefined ? OTHER_URL[mode] : undefined;
  if (cure !== undefined)
    return [{ reason: `${it} is a ${mode === 'cluster' ? 'node of a Cluster' : 'Sentinel'}.`, cure }];
  const found: Finding[] = [];
  if (evictionPolicy !== undefined && evictionPolicy !== 'noeviction') {
    found.push({
      reason: `${it} has maxmemory-policy ${evictionPolicy}: it would drop accepted jobs when memory is full.`,
      cure: 'CONFIG SET maxmemory-policy noeviction (and in redis.conf), or point REDIS_URL at another server.',
    });
  }
  if (appendOnly === false) {
    found.push({
      reason: `${it} keeps no append-only file: accepted jobs would not survive its restart.`,
      cure: 'CONFIG SET appendonly yes (and in redis.conf), or point REDIS_URL at another server.',
    });
  }
  if (role === 'replica') {
    found.push({
      reason: `${it} is a replica: it cannot take writes.`,
      cure: 'Point REDIS_URL at the primary.',
    });
  }
  if (version !== undefined && isTooOld(version)) {
    found.push({
      reason: `${it} is version ${version}; at least ${OLDEST_VERSION.join('.')} is needed.`,
      cure: 'Upgrade it, or point REDIS_URL at another server.',
    });
  }
  return found;
}

function queueWarnings(facts: RedisFacts): Finding[] {
  const { evictionPolicy, appendOnly, version, usedMemory, maxMemory, place, replicas } = facts;
  const it = named('queue', facts);
  const found: Finding[] = [];
  if (place !== undefined && replicas === 0) {
    found.push({
      reason: `${it} has no replica that is connected: nothing takes over when it fails.`,
      cure: 'Start a replica of it, or see why the one there is cannot connect.',
    });
  }
  const untold = Object.entries({ 'maxmemory-policy': evictionPolicy, appendonly: appendOnly, version });
  const names = untold.filter(([, value]) => value === undefined).map(([name]) => name);
  if (names.length > 0) {
    found.push({
      reason: `${it} does not tell its ${names.join(', ')}.`,
      cure: 'Make sure of noeviction, appendonly yes and version 6.2 or later in its provider’s settings.',
    });
  }
  if (usedMemory !== undefined && maxMemory !== undefined && maxMemory > 0 && usedMemory >= NEARLY_FULL * maxMemory) {
    const percent = Math.floor((100 * usedMemory) / maxMemory);
    found.push({
      reason: `${it} uses at least ${percent - (percent % 5)} % of its maxmemory: when it is full, jobs are refused.`,
      cure: 'Raise maxmemory, add workers, or remove finished jobs.',
    });
  }
  return found;
}

function cacheFindings(caches: readonly RedisFacts[], queues: readonly RedisFacts[]): Finding[] {
  const queueRuns = new Set(queues.map(({ runId }) => runId));
  return caches.flatMap((cache) => {
    const it = named('cache', cache);
    if (cache.runId !== undefined && queueRuns.has(cache.runId)) {
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
        reason: `${it} has no maxmemory: it grows until the machine has no memory left.`,
        cure: 'CONFIG SET maxmemory 256mb (and in redis.conf).',
      });
    }
    if (cache.evictionPolicy === 'noeviction') {
      found.push({
        reason: `${it} has maxmemory-policy noeviction: when memory is full, nothing more is cached.`,
        cure: 'CONFIG SET maxmemory-policy allkeys-lru (and in redis.conf).',
      });
    }
    return found;
  });
}

function isTooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < OLDEST_VERSION[0] || (major === OLDEST_VERSION[0] && minor < OLDEST_VERSION[1]);
}
