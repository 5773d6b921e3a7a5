/** Every ten minutes: mails whose job has ended without them get an end too. */

import { z } from 'zod';
import { defineJob } from '../../src/queue/job.ts';

export default defineJob({
  name: 'email.settle-deliveries',
  about: 'Say of mails that wait or are being sent, and whose job has ended, that they failed or that nobody knows.',
  payload: z.strictObject({}),
  result: z.object({ failed: z.int().min(0), unknown: z.int().min(0) }),
  example: {},
  every: 600_000,
  timeoutMs: 600_000,
  expiresMs: 1_200_000,

  exclusive: () => ({ kind: 'sweep', tenant: 'default', id: 'email.settle-deliveries' }),

  async run(_payload, { mailUpkeep, signal }) {
    return { ...(await mailUpkeep.settle(signal)) };
  },
});
