/** Every hour: records of finished work that nothing can ask for any more. */

import { z } from 'zod';
import { defineCleanup } from '../../src/queue/cleanup.ts';

export default defineCleanup({
  name: 'cleanup.forget-old-records',
  about: 'Remove old rows of the ledger and of gathered requests; count jobs that were set aside as long ago.',
  every: '19 * * * *',
  also: { setAside: z.int().min(0) },
  owner: ({ housekeeping }) => housekeeping.oldRecords,
});
