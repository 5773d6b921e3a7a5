/** Mail a link that sets a new password: it works once, for 30 min from the request. */

import { z } from 'zod';
import { mailAddress } from '../../src/mail/template-data.ts';
import { defineJob } from '../../src/queue/job.ts';

export default defineJob({
  name: 'email.send-password-reset',
  about: 'Send a mail with a link that sets a new password, once, within 30 min.',
  payload: z.strictObject({ email: mailAddress, from: mailAddress.optional() }),
  result: z.object({
    messageId: z.string(),
    sent: z.int(),
    suppressed: z.array(z.string()),
    rejected: z.array(z.string()),
  }),
  example: { email: 'ada@example.com' },
  attempts: 8,
  backoff: { delayMs: 5000, capMs: 300_000 },
  expiresMs: 1_800_000,

  async run({ email, from }, { mail, resetTokens, job, signal }) {
    const { id: jobId, tenant, requestedAt } = job;
    const data = await resetTokens.issue({ tenant, jobId, email, requestedAt });
    return mail.send({ job, template: 'password-reset', to: [email], from, data, signal });
  },
});
