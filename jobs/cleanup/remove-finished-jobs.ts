/** Every hour: completed jobs and dead letters that have been kept long enough, or of which there are too many. */

import { defineCleanup } from '../../src/queue/cleanup.ts';

export default defineCleanup({
  name: 'cleanup.remove-finished-jobs',
  about: 'Remove finished jobs of every queue that are too old, too many or too large.',
  every: '4 * * * *',
  owner: ({ housekeeping }) => housekeeping.finishedJobs,
});
