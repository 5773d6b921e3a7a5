/** Every hour: remove files that nobody has used for long, bytes without a row, and uploads that never ended. */

import { z } from 'zod';
import { defineJob } from '../../src/queue/job.ts';

export default defineJob({
  name: 'cleanup.remove-orphaned-media',
  about: 'Remove files unused for MEDIA_KEEP_DAYS, bytes without a row, and uploads left over from a day ago.',
  payload: z.strictObject({ dryRun: z.boolean().default(false) }),
  result: z.object({ removed: z.int().min(0), bytes: z.int().min(0), dryRun: z.boolean() }),
  example: {},
  every: '37 * * * *',
  timeoutMs: 1_800_000,

  exclusive: () => ({ kind: 'sweep', tenant: 'default', id: 'cleanup.remove-orphaned-media' }),

  async run({ dryRun }, { media, signal }) {
    return { ...(await media.removeExpired({ dryRun, signal })), dryRun };
  },
});
