/** As `no-op`, and announces one event. */

import { z } from 'zod';
import { defineJob, id, text } from '../../../../src/queue/job.ts';

export default defineJob({
  name: 'learning.announcing',
  about: 'Announce an event.',
  payload: z.strictObject({ at: z.int(), userId: id, contentId: id, text, tone: z.enum(['plain', 'warm']) }),
  result: z.object({}),
  example: { at: 1, userId: 'writer', contentId: 'content', text: 'A text.', tone: 'plain' },
  announces: ({ userId }) => [{ type: 'profile.updated', data: { userId, profileVersion: 1 } }],

  async run() {
    return {};
  },
});
