/** Every hour: remove decoded recordings that killed processes have left on this machine's disk. */

import { z } from 'zod';
import { defineJob } from '../../src/queue/job.ts';

export default defineJob({
  name: 'cleanup.remove-decoded-audio',
  about: 'Remove the private folders that killed transcriptions have left on the disk of the machine that runs this.',
  payload: z.strictObject({ dryRun: z.boolean().default(false) }),
  result: z.object({ removed: z.int().min(0), bytes: z.int().min(0), dryRun: z.boolean() }),
  example: {},
  every: '47 * * * *',
  attempts: 1,
  expiresMs: 1_800_000,

  exclusive: () => ({ kind: 'sweep', tenant: 'default', id: 'cleanup.remove-decoded-audio' }),

  async run({ dryRun }, { audio, signal }) {
    return { ...(await audio.removeExpired({ dryRun, signal })), dryRun };
  },
});
