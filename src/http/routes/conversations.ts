/** Conversations with characters: saying something, reading what was said, and the tokens it cost. */

import { z } from 'zod';
import type { Characters } from '../../conversations/characters.ts';
import type { Conversations } from '../../conversations/conversations.ts';
import type { TokenUsage } from '../../conversations/token-usage.ts';
import { id } from '../../queue/job.ts';
import { defineRoute, type Route } from '../route.ts';
import { idempotencyKeyOf } from './jobs.ts';

const params = z.strictObject({ id });
const spoken = z.string().max(20_000).regex(/\S/, 'must say something');

const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(100),
  before: z.coerce.number().int().min(1).max(2_147_483_647).optional(),
});

const day = z.iso.date().refine((text) => text >= '2000', 'must be 2000 or later');
const usageQuery = z
  .strictObject({ userId: id, from: day, to: day })
  .refine(({ from, to }) => from <= to, { path: ['to'], message: 'must not be before from' });

export interface ConversationRoutesOptions {
  readonly conversations: Conversations;
  readonly characters: Characters;
  readonly tokenUsage: TokenUsage;
}

export function conversationRoutes({ conversations, characters, tokenUsage }: ConversationRoutesOptions): Route[] {
  return [
    defineRoute({
      method: 'POST',
      path: '/api/conversations/:id/messages',
      access: 'caller',
      about: 'Say something to a character; its reply is made by a job. Experimental.',
      params,
      body: z.strictObject({ userId: id, characterId: id, text: spoken }),
      handle: async (request) => {
        const { tenant, body } = request;
        const said = { ...body, idempotencyKey: idempotencyKeyOf(request) };
        const kept = await conversations.say(tenant, request.params.id, said);
        return { status: 202, body: kept, headers: { Location: `/v1/jobs/${kept.job}` } };
      },
    }),
    defineRoute({
      method: 'GET',
      path: '/api/conversations/:id',
      access: 'caller',
      about: 'What was said, the newest page of it, and whose turn it is. Experimental.',
      params,
      query: pageQuery,
      handle: async ({ tenant, params: { id: conversationId }, query }) => ({
        body: await conversations.read(tenant, conversationId, query),
      }),
    }),
    defineRoute({
      method: 'PUT',
      path: '/api/characters/:id',
      access: 'caller',
      about: 'Define a character: its name, and what a model is told of it. Experimental.',
      params,
      body: z.strictObject({
        name: z.string().regex(/^[^\p{Cc}]{1,100}$/u, 'must be 1–100 printable characters'),
        prompt: spoken,
      }),
      handle: async ({ tenant, params: { id: characterId }, body }) => ({
        body: await characters.put(tenant, { id: characterId, ...body }),
      }),
    }),
    defineRoute({
      method: 'GET',
      path: '/api/characters/:id',
      access: 'caller',
      about: 'A character as it is defined, or the default one. Experimental.',
      params,
      handle: async ({ tenant, params: { id: characterId } }) => ({ body: await characters.get(tenant, characterId) }),
    }),
    defineRoute({
      method: 'GET',
      path: '/v1/usage/tokens',
      access: 'caller',
      about: 'Tokens that the replies to a user have cost, by day (UTC).',
      query: usageQuery,
      handle: async ({ tenant, query: { userId, from, to } }) => ({
        body: { userId, from, to, days: await tokenUsage.days(tenant, userId, from, to) },
      }),
    }),
  ];
}
