/** Every day: forget mail that is older than it is kept. */

import { z } from 'zod';
import { defineJob } from '../../src/queue/job.ts';

export default defineJob({
  name: 'cleanup.remove-expired-mail',
  about: 'Forget what was mailed longer ago than MAIL_KEEP_DAYS, and its files in the local inbox.',
  payload: z.strictObject({ dryRun: z.boolean().default(false) }),
  result: z.object({ removed: z.int().min(0), bytes: z.int().min(0), dryRun: z.boolean() }),
  example: {},
  every: '12 2 * * *',
  timeoutMs: 600_000,

  exclusive: () => ({ kind: 'sweep', tenant: 'default', id: 'cleanup.remove-expired-mail' }),

  async run({ dryRun }, { mailUpkeep, signal }) {
    return { ...(await mailUpkeep.removeExpired({ dryRun, signal })), dryRun };
  },
});
