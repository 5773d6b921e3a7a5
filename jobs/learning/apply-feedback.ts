/** Let what a writer thinks of a generated text change how much each feature counts. */

import { z } from 'zod';
import { defineJob, id, text } from '../../src/queue/job.ts';
import { profile } from '../../src/resources.ts';

export default defineJob({
  name: 'learning.apply-feedback',
  about: 'Adjust the weights of a writer’s features by a rating (1–5) of a generated text.',
  experimental: true,
  payload: z.strictObject({
    userId: id,
    contentId: id,
    text,
    rating: z.int().min(1).max(5),
    comment: z.string().max(2000).optional(),
  }),
  result: z.object({ version: z.int(), edits: z.int(), patterns: z.int() }),
  example: { userId: 'ada', contentId: 'post-1', text: 'Let’s consider it.', rating: 5, comment: 'Just like me.' },

  exclusive: ({ userId }, { tenant }) => profile(tenant, userId),
  invalidates: ({ userId }, { tenant }) => [profile(tenant, userId)],
  announces: ({ userId }, { version }) => [{ type: 'profile.updated', data: { userId, profileVersion: version } }],

  async run({ userId, ...feedback }, { learning, apply, job }) {
    const draft = await learning.draftFeedback(job.tenant, userId, {
      id: job.id,
      givenAt: job.requestedAt,
      ...feedback,
    });
    return apply((tx) => learning.commit(tx, job.id, draft));
  },
});
