/** Every hour: jobs that stand in no list of their queue. What has ended goes; what was never done goes back. */

import { z } from 'zod';
import { cleanupPayload, cleanupResult, sweep } from '../../src/queue/cleanup.ts';
import { defineJob } from '../../src/queue/job.ts';

export default defineJob({
  name: 'cleanup.settle-stray-jobs',
  about: 'Remove finished jobs that stand in no list of their queue, and bring back those that were never done.',
  payload: cleanupPayload,
  result: cleanupResult.extend({ requeued: z.int().min(0) }),
  example: {},
  every: '34 * * * *',
  timeoutMs: 600_000,

  exclusive: () => sweep('cleanup.settle-stray-jobs'),

  async run({ dryRun }, { housekeeping, signal, progress }) {
    const told = (soFar: object) => progress({ ...soFar });
    return { ...(await housekeeping.strayJobs.removeExpired({ dryRun, signal, told })), dryRun };
  },
});
