/** As `no-op`, and does all that a job can declare: lock, effect, invalidation, event. */

import { z } from 'zod';
import { defineJob, id, text } from '../../../../src/queue/job.ts';
import { profile } from '../../../../src/resources.ts';

export default defineJob({
  name: 'learning.everything',
  about: 'Lock, apply, invalidate and announce.',
  payload: z.strictObject({ at: z.int(), userId: id, contentId: id, text, tone: z.enum(['plain', 'warm']) }),
  result: z.object({}),
  example: { at: 1, userId: 'writer', contentId: 'content', text: 'A text.', tone: 'plain' },
  exclusive: ({ userId }, { tenant }) => profile(tenant, userId),
  invalidates: ({ userId }, { tenant }) => [profile(tenant, userId)],
  announces: ({ userId }) => [{ type: 'profile.updated', data: { userId, profileVersion: 1 } }],

  async run(_payload, { apply }) {
    return apply(async () => ({}));
  },
});
