/** As `no-op`, and holds its writer's profile. */

import { z } from 'zod';
import { defineJob, id, text } from '../../../../src/queue/job.ts';
import { profile } from '../../../../src/resources.ts';

export default defineJob({
  name: 'learning.locked',
  about: 'Hold a lock.',
  payload: z.strictObject({ at: z.int(), userId: id, contentId: id, text, tone: z.enum(['plain', 'warm']) }),
  result: z.object({}),
  example: { at: 1, userId: 'writer', contentId: 'content', text: 'A text.', tone: 'plain' },
  exclusive: ({ userId }, { tenant }) => profile(tenant, userId),

  async run() {
    return {};
  },
});
