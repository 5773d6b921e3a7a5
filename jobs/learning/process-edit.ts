/** Learn a writer's style from the edits they saved: all that were gathered, in one run. */

import { z } from 'zod';
import { AppError } from '../../src/errors.ts';
import { defineJob, id, text } from '../../src/queue/job.ts';
import { profile } from '../../src/resources.ts';

export default defineJob({
  name: 'learning.process-edit',
  about: 'Learn a writer’s style from a text as it was and as they saved it.',
  experimental: true,
  payload: z.strictObject({ userId: id, contentId: id, originalText: text, editedText: text }),
  result: z.object({ version: z.int(), edits: z.int(), patterns: z.int() }),
  example: {
    userId: 'ada',
    contentId: 'post-1',
    originalText: 'I would like to utilize this opportunity to perhaps suggest that we consider it.',
    editedText: 'Let’s consider it.',
  },

  collect: ({ userId }) => userId,
  exclusive: ({ userId }, { tenant }) => profile(tenant, userId),
  invalidates: ({ userId }, { tenant }) => [profile(tenant, userId)],
  announces: ({ userId }, { version }) => [{ type: 'profile.updated', data: { userId, profileVersion: version } }],

  async run(requests, { learning, apply, job, signal }) {
    const userId = requests[0]?.payload.userId;
    if (userId === undefined) throw new AppError('internal', 'A run needs at least one request.');
    const edits = requests.map(({ id, requestedAt, payload }) => ({ id, savedAt: requestedAt, ...payload }));
    const draft = await learning.draftEdits(job.tenant, userId, edits, signal);
    return apply((tx) => learning.commit(tx, job.id, draft));
  },
});
