/** Saving edits, and the style profile that is learned from them. */

import { z } from 'zod';
import type { Producer } from '../../accepting/producer.ts';
import type { Remembered } from '../../cache.ts';
import { preferencesSchema } from '../../profiles/preferences.ts';
import type { Profiles } from '../../profiles/profiles.ts';
import { id, text } from '../../queue/job.ts';
import { defineRoute, type Route, type RouteAnswer } from '../route.ts';
import { accepted, idempotencyKeyOf } from './jobs.ts';

const userQuery = z.strictObject({ userId: id });

/** An answer with a header that says whether the cache had it. */
function remembered<T>({ value, outcome }: Remembered<T>): RouteAnswer {
  return { body: value, headers: { 'X-Cache': outcome } };
}

export interface ProfileRoutesOptions {
  readonly producer: Producer;
  readonly profiles: Profiles;
}

export function profileRoutes({ producer, profiles }: ProfileRoutesOptions): Route[] {
  return [
    defineRoute({
      method: 'POST',
      path: '/api/content/:id/save-edits',
      access: 'caller',
      about: 'Save a text as it was and as it became, and learn from it.',
      params: z.strictObject({ id }),
      body: z.strictObject({ userId: id, originalText: text, editedText: text }),
      handle: async (request) => {
        const enqueued = await producer.enqueueKept({
          tenant: request.tenant,
          job: 'learning.process-edit',
          payload: { ...request.body, contentId: request.params.id },
          idempotencyKey: idempotencyKeyOf(request),
          requestId: request.requestId,
        });
        return accepted(enqueued);
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/api/profile/style',
      access: 'caller',
      about: 'A writer’s style profile.',
      query: userQuery,
      handle: async ({ tenant, query }) => remembered(await profiles.style(tenant, query.userId)),
    }),
    defineRoute({
      method: 'PUT',
      path: '/api/profile/style',
      access: 'caller',
      about: 'Set a writer’s own preferences; they win over what was learned.',
      body: z.strictObject({ userId: id, preferences: preferencesSchema }),
      handle: async ({ tenant, body }) => ({
        body: await profiles.setPreferences(tenant, body.userId, body.preferences),
      }),
    }),
    defineRoute({
      method: 'POST',
      path: '/api/profile/style/match',
      access: 'caller',
      about: 'How much a text sounds like a writer, 0–1, and the features that say so.',
      body: z.strictObject({ userId: id, text }),
      handle: async ({ tenant, body }) => ({ body: await profiles.match(tenant, body.userId, body.text) }),
    }),
    defineRoute({
      method: 'GET',
      path: '/api/profile/evolution',
      access: 'caller',
      about: 'How settled a writer’s profile is, and how much less they edit than before.',
      query: userQuery,
      handle: async ({ tenant, query }) => remembered(await profiles.evolution(tenant, query.userId)),
    }),
    defineRoute({
      method: 'GET',
      path: '/api/archetypes',
      access: 'caller',
      about: 'The reference styles.',
      handle: async ({ tenant }) => {
        const { value, outcome } = await profiles.archetypes(tenant);
        return remembered({ value: { archetypes: value }, outcome });
      },
    }),
  ];
}
