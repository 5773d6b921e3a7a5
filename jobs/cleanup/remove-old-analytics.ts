/** Every night: remove the figures of days beyond `ANALYTICS_KEEP_DAYS`. */

import { z } from 'zod';
import { defineJob } from '../../src/queue/job.ts';

const NAME = 'cleanup.remove-old-analytics';

export default defineJob({
  name: NAME,
  about: 'Remove the figures of days that are older than ANALYTICS_KEEP_DAYS; dryRun only counts them.',
  payload: z.strictObject({ dryRun: z.boolean().default(false) }),
  result: z.object({ removed: z.int().min(0), bytes: z.int().min(0), dryRun: z.boolean() }),
  example: {},
  every: '52 2 * * *',
  timeoutMs: 600_000,

  exclusive: () => ({ kind: 'sweep', tenant: 'default', id: NAME }),

  async run({ dryRun }, { analytics, signal }) {
    return { ...(await analytics.removeExpired({ dryRun, signal })), dryRun };
  },
});
