/** Every day: forget mail that is older than it is kept. */

import { defineCleanup } from '../../src/queue/cleanup.ts';

export default defineCleanup({
  name: 'cleanup.remove-expired-mail',
  about: 'Forget what was mailed longer ago than MAIL_KEEP_DAYS, and its files in the local inbox.',
  every: '12 2 * * *',
  owner: ({ mailUpkeep }) => mailUpkeep,
});
