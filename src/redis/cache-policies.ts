/** What is cached, one row for each kind of value. `cache.ts` does what the rows say. */

import type { Config } from '../config.ts';
import type { ResourceKind } from '../resources.ts';
import { cacheKeys } from './keys.ts';

export type CacheConfig = Pick<
  Config,
  'CACHE_KEY_PREFIX' | 'PROFILE_CACHE_TTL_SECONDS' | 'EVOLUTION_CACHE_TTL_SECONDS' | 'ARCHETYPE_CACHE_TTL_SECONDS'
>;

/** One kind of cached value. */
export interface CachePolicy {
  /** Seconds a value lives. */
  readonly ttlSeconds: number;
  /** The kind of resource whose change makes the value stale; without one it just grows old. */
  readonly resource?: ResourceKind;
  readonly key: (tenant: string, id: string) => string;
}

export type CachePolicyName = ConversationPolicy | 'profile' | 'evolution' | 'archetypes' | 'flowState' | 'flowMeta';
/** The id of a personality is `<character>:<SHA-256 of what shapes it>`. */
type ConversationPolicy = 'characterPrompt' | 'personality';

/**
 * What is cached, for how long, and what makes it stale.
 *
 * A model's replies are not here and must not be: a reply belongs to one person's conversation, and a shared key would
 * hand it to another. A row for them would need the person in its key, and would then hardly ever hit.
 */
export const cachePolicies = (config: CacheConfig): Readonly<Record<CachePolicyName, CachePolicy>> => ({
  profile: { ttlSeconds: config.PROFILE_CACHE_TTL_SECONDS, resource: 'profile', key: cacheKeys.profile },
  evolution: { ttlSeconds: config.EVOLUTION_CACHE_TTL_SECONDS, resource: 'profile', key: cacheKeys.evolution },
  archetypes: { ttlSeconds: config.ARCHETYPE_CACHE_TTL_SECONDS, key: cacheKeys.archetypes },
  characterPrompt: { ttlSeconds: 7200, resource: 'character', key: cacheKeys.characterPrompt },
  personality: { ttlSeconds: 3600, key: (of, id) => cacheKeys.personality(of, id.slice(0, -65), id.slice(-64)) },
  flowState: { ttlSeconds: 300, key: cacheKeys.flowState },
  flowMeta: { ttlSeconds: 3600, key: cacheKeys.flowMeta },
});
