/** As `no-op`, and applies an empty effect with its ledger row. */

import { z } from 'zod';
import { defineJob, id, text } from '../../../../src/queue/job.ts';

export default defineJob({
  name: 'learning.applied',
  about: 'Write a ledger row.',
  payload: z.strictObject({ at: z.int(), userId: id, contentId: id, text, tone: z.enum(['plain', 'warm']) }),
  result: z.object({}),
  example: { at: 1, userId: 'writer', contentId: 'content', text: 'A text.', tone: 'plain' },

  async run(_payload, { apply }) {
    return apply(async () => ({}));
  },
});
