/**
 * Resources: the things that work changes. A resource is locked, cached about and announced about.
 *
 * `kind` names its lock row (`src/locks.ts`) and its cache policies (`src/cache.ts`); `tenant` comes first everywhere.
 */

/** The tenant of every request when `AUTH=off`; its keys carry the names the seeds give, without a prefix. */
export const DEFAULT_TENANT = 'default';

/** Every kind of resource there is. */
export type ResourceKind =
  | 'profile'
  | 'flow'
  | 'import'
  | 'analysis'
  | 'archetypes'
  | 'character'
  | 'conversation'
  | 'sweep';

export interface Resource {
  readonly kind: ResourceKind;
  readonly tenant: string;
  readonly id: string;
}

/** A writer's style profile. */
export const profile = (tenant: string, userId: string): Resource => ({ kind: 'profile', tenant, id: userId });

/** A long-running flow of phases. */
export const flow = (tenant: string, flowId: string): Resource => ({ kind: 'flow', tenant, id: flowId });

/** Who a user talks to. */
export const character = (tenant: string, characterId: string): Resource => ({
  kind: 'character',
  tenant,
  id: characterId,
});

/** The turn to answer in one conversation with one character. Ids have no colon. */
export const turnIn = (tenant: string, conversationId: string, characterId: string): Resource => ({
  kind: 'conversation',
  tenant,
  id: `${conversationId}:${characterId}`,
});
