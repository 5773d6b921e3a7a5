/** Have a model reply to a message of a conversation, when it is its turn. */

import { z } from 'zod';
import { TokenProgress } from '../../src/conversations/token-progress.ts';
import { defineJob, id } from '../../src/queue/job.ts';
import { turnIn } from '../../src/resources.ts';

export default defineJob({
  name: 'ai.generate-reply',
  about: 'Write a character’s reply to a message; its progress shows the text as it comes.',
  experimental: true,
  payload: z.strictObject({ conversationId: id, characterId: id, messageId: id }),
  result: z.object({
    messageId: z.string(),
    replyId: z.string(),
    sequence: z.int(),
    promptTokens: z.int(),
    completionTokens: z.int(),
  }),
  example: { conversationId: 'c-1', characterId: 'mira', messageId: 'msg_1' },
  attempts: 6,
  backoff: { delayMs: 2000, capMs: 120_000 },
  timeoutMs: 150_000,

  exclusive: ({ conversationId, characterId }, { tenant }) => turnIn(tenant, conversationId, characterId),

  async run({ conversationId, characterId, messageId }, { replies, apply, progress, job, signal }) {
    const taken = await replies.take({ tenant: job.tenant, conversationId, characterId }, messageId);
    if ('stored' in taken) return taken.stored;
    const { turn } = taken;
    const tokens = new TokenProgress(progress);
    try {
      const draft = await replies.draft(turn, { signal, onToken: (piece) => tokens.add(piece) });
      const stored = await apply((tx) => replies.commit(tx, draft));
      await tokens.end();
      return stored;
    } catch (error) {
      await replies.giveBack(turn, error, job.lastAttempt);
      throw error;
    }
  },
});
