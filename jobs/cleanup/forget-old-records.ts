/** Every hour: records of finished work that nothing can ask for any more. */

import { z } from 'zod';
import { cleanupPayload, cleanupResult, sweep } from '../../src/queue/cleanup.ts';
import { defineJob } from '../../src/queue/job.ts';

export default defineJob({
  name: 'cleanup.forget-old-records',
  about: 'Remove old rows of the ledger and of gathered requests; count jobs that were set aside as long ago.',
  payload: cleanupPayload,
  result: cleanupResult.extend({ setAside: z.int().min(0) }),
  example: {},
  every: '19 * * * *',
  timeoutMs: 600_000,

  exclusive: () => sweep('cleanup.forget-old-records'),

  async run({ dryRun }, { housekeeping, signal, progress }) {
    const told = (soFar: object) => progress({ ...soFar });
    return { ...(await housekeeping.oldRecords.removeExpired({ dryRun, signal, told })), dryRun };
  },
});
