/** Tell up to 50 people of something, each in a mail of their own. */

import { z } from 'zod';
import { mailAddress, mailRecipients, TEMPLATES } from '../../src/mail/template-data.ts';
import { defineJob } from '../../src/queue/job.ts';

export default defineJob({
  name: 'email.send-notification',
  about: 'Send a notification to at most 50 people; none sees who else gets it.',
  payload: z.strictObject({ to: mailRecipients, ...TEMPLATES.notification.data.shape, from: mailAddress.optional() }),
  result: z.object({
    messageId: z.string(),
    sent: z.int(),
    suppressed: z.array(z.string()),
    rejected: z.array(z.string()),
  }),
  example: { to: ['ada@example.com'], ...TEMPLATES.notification.example },
  attempts: 8,
  backoff: { delayMs: 5000, capMs: 900_000 },
  timeoutMs: 180_000,

  run: ({ to, from, ...data }, { mail, job, signal }) =>
    mail.send({ job, template: 'notification', to, from, data, signal }),
});
