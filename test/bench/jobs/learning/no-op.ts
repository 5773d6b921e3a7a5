/** A job that does nothing and declares nothing: what the machinery around every job costs. */

import { z } from 'zod';
import { defineJob, id, text } from '../../../../src/queue/job.ts';

export default defineJob({
  name: 'learning.no-op',
  about: 'Do nothing.',
  payload: z.strictObject({ at: z.int(), userId: id, contentId: id, text, tone: z.enum(['plain', 'warm']) }),
  result: z.object({}),
  example: { at: 1, userId: 'writer', contentId: 'content', text: 'A text.', tone: 'plain' },

  async run() {
    return {};
  },
});
