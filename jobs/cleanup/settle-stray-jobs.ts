/** Every hour: jobs that stand in no list of their queue. What has ended goes; what was never done goes back. */

import { z } from 'zod';
import { defineCleanup } from '../../src/queue/cleanup.ts';

export default defineCleanup({
  name: 'cleanup.settle-stray-jobs',
  about: 'Remove finished jobs that stand in no list of their queue, and bring back those that were never done.',
  every: '34 * * * *',
  also: { requeued: z.int().min(0) },
  owner: ({ housekeeping }) => housekeeping.strayJobs,
});
