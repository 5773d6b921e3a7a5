/**
 * Every key and channel that Millrace itself uses in Redis, one function each. BullMQ's own keys are `<QUEUE_PREFIX>:…`.
 *
 * The tenant is the first argument everywhere. The default tenant uses the names as they stand; any other tenant's keys
 * carry `t:<tenant>:` before them. `docs/keyspace.md` lists each with type, TTL, owner and what is lost with it; a test
 * keeps that page and this file the same.
 */

import { DEFAULT_TENANT, type Resource } from '../resources.ts';

/** Put the tenant before a key, except for the default tenant. */
export function tenantKey(tenant: string, key: string): string {
  return tenant === DEFAULT_TENANT ? key : `t:${tenant}:${key}`;
}

/** Keys in the queue Redis (after `KEY_PREFIX`). */
export const queueKeys = {
  /** String, owner's random value. Lease of one resource while a function runs. */
  lock: ({ kind, tenant, id }: Resource) =>
    tenantKey(tenant, kind === 'profile' ? `profile:lock:${id}` : `lock:${kind}:${id}`),
  /** String, TTL 10 s. What `/readyz` writes to know that writing works. */
  readiness: (processId: string) => `health:write:${processId}`,
  /** Hash, TTL 30 days. Counters and histograms summed over all processes, of one set of metrics. */
  metricTotals: (fingerprint: string) => `{metrics}:totals:${fingerprint}`,
  /** String, counter, TTL 1 h. The last batch of metrics that a process has added to the totals. */
  metricBatch: (processId: string) => `{metrics}:batch:${processId}`,
  /** String, gone before the command's transaction ends. What `millrace ping` sets and gets. */
  pingValue: () => 'test:app',
  /** String, TTL 5 s, gone before the command's transaction ends. What `millrace ping` lets expire. */
  pingExpiring: () => 'test:expire',
  /** String, TTL 10 s, gone before the command's transaction ends. What `millrace health` sets and gets. */
  checkValue: () => 'health:check:test',
  /** Hash, gone before the command's transaction ends. What `millrace health` sets and gets. */
  checkHash: () => 'health:check:hash',
  /** Channel. What `millrace health` publishes to. */
  checkChannel: () => 'health:check:channel',
  /** Hash, TTL 1 h. Jobs that wait in a journal after an outage, until they are in their queues. */
  acceptedJobs: () => 'journal:accepted',
  /** Hash, after `QUEUE_PREFIX` and a colon. How far each journal's jobs have come, as Redis should remember it. */
  journalMarks: () => 'millrace:journal-marks',
  /** String, TTL 10 s. Stands while a journal may hold jobs that are not listed. */
  journalBehind: () => 'journal:behind',
  /** String, TTL until 30 min after the request. The address that a password reset token belongs to, or `used`. */
  passwordReset: (tenant: string, tokenHash: string) => tenantKey(tenant, `password_reset:${tokenHash}`),
  /** Stream, at most 10,000 entries. The events of one tenant, oldest first. */
  events: (tenant: string) => tenantKey(tenant, 'events'),
  /** Channel. The same events, for whoever listens now. */
  eventsChannel: (tenant: string) => tenantKey(tenant, 'events:live'),
} as const;

/** Keys in the cache Redis (after `CACHE_KEY_PREFIX`). */
export const cacheKeys = {
  /** String, JSON, TTL `PROFILE_CACHE_TTL_SECONDS`. One writer's profile. */
  profile: (tenant: string, userId: string) => tenantKey(tenant, `profile:${userId}`),
  /** String, JSON, TTL `EVOLUTION_CACHE_TTL_SECONDS`. One writer's evolution score. */
  evolution: (tenant: string, userId: string) => tenantKey(tenant, `evolution:${userId}`),
  /** String, JSON, TTL `ARCHETYPE_CACHE_TTL_SECONDS`. The reference styles. */
  archetypes: () => 'archetypes:list',
  /** String, JSON, TTL 2 h. Name and prompt of a character. */
  characterPrompt: (tenant: string, characterId: string) => tenantKey(tenant, `character:prompt:${characterId}`),
  /** String, JSON, TTL 1 h. What a model is told before a conversation; the hash is of all that shapes its response. */
  personality: (tenant: string, characterId: string, responseHash: string) =>
    tenantKey(tenant, `personality:${characterId}:${responseHash}`),
  /** String, JSON, TTL 300 s unless told. The state of a flow. */
  flowState: (tenant: string, flowId: string) => tenantKey(tenant, `flow:state:${flowId}`),
  /** String, JSON, twelve times the state's TTL: 3600 s. Status, phase and progress of a flow. */
  flowMeta: (tenant: string, flowId: string) => tenantKey(tenant, `flow:meta:${flowId}`),
  /** String, JSON or plain text, TTL 300 s unless told. Whatever `Cache.set` or `Cache.getOrSet` was given. */
  value: (tenant: string, key: string) => tenantKey(tenant, `value:${key}`),
  /** String, random token, TTL one day. Changes whenever the resource does. */
  generation: ({ kind, tenant, id }: Resource) => tenantKey(tenant, `generation:${kind}:${id}`),
  /** String, counter. Reads answered from the cache. */
  hits: () => 'cache:hits',
  /** String, counter. Reads that had to load. */
  misses: () => 'cache:misses',
} as const;
