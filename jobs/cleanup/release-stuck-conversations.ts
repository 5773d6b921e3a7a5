/** Every minute: let conversations go on that stand still, as when a process died at the wrong moment. */

import { z } from 'zod';
import { defineJob } from '../../src/queue/job.ts';

export default defineJob({
  name: 'cleanup.release-stuck-conversations',
  about: 'Release conversations whose state has expired or whose next message was cancelled.',
  payload: z.strictObject({ dryRun: z.boolean().default(false) }),
  result: z.object({ removed: z.int().min(0), bytes: z.int().min(0), dryRun: z.boolean() }),
  example: {},
  every: 60_000,
  attempts: 1,
  expiresMs: 120_000,

  exclusive: () => ({ kind: 'sweep', tenant: 'default', id: 'cleanup.release-stuck-conversations' }),

  async run({ dryRun }, { conversations, signal }) {
    return { ...(await conversations.removeExpired({ dryRun, signal })), dryRun };
  },
});
