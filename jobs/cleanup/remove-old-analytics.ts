/** Every night: remove the figures of days beyond `ANALYTICS_KEEP_DAYS`. */

import { defineCleanup } from '../../src/queue/cleanup.ts';

export default defineCleanup({
  name: 'cleanup.remove-old-analytics',
  about: 'Remove the figures of days that are older than ANALYTICS_KEEP_DAYS; dryRun only counts them.',
  every: '52 2 * * *',
  owner: ({ analytics }) => analytics,
});
