/** Every hour: remove files that nobody has used for long, bytes without a row, and uploads that never ended. */

import { defineCleanup } from '../../src/queue/cleanup.ts';

export default defineCleanup({
  name: 'cleanup.remove-orphaned-media',
  about: 'Remove files unused for MEDIA_KEEP_DAYS, bytes without a row, and uploads left over from a day ago.',
  every: '37 * * * *',
  timeoutMs: 1_800_000,
  owner: ({ media }) => media,
});
