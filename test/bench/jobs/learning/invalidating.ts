/** As `no-op`, and makes its writer's cached profile stale. */

import { z } from 'zod';
import { defineJob, id, text } from '../../../../src/queue/job.ts';
import { profile } from '../../../../src/resources.ts';

export default defineJob({
  name: 'learning.invalidating',
  about: 'Invalidate a resource.',
  payload: z.strictObject({ at: z.int(), userId: id, contentId: id, text, tone: z.enum(['plain', 'warm']) }),
  result: z.object({}),
  example: { at: 1, userId: 'writer', contentId: 'content', text: 'A text.', tone: 'plain' },
  invalidates: ({ userId }, { tenant }) => [profile(tenant, userId)],

  async run() {
    return {};
  },
});
