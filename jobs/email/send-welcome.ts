/** Greet somebody who is new. */

import { z } from 'zod';
import { mailAddress, TEMPLATES } from '../../src/mail/template-data.ts';
import { defineJob } from '../../src/queue/job.ts';

export default defineJob({
  name: 'email.send-welcome',
  about: 'Send a welcome mail to somebody who is new.',
  payload: z.strictObject({ to: mailAddress, ...TEMPLATES.welcome.data.shape, from: mailAddress.optional() }),
  result: z.object({
    messageId: z.string(),
    sent: z.int(),
    suppressed: z.array(z.string()),
    rejected: z.array(z.string()),
  }),
  example: { to: 'ada@example.com', name: 'Ada', link: 'https://example.com/start' },
  attempts: 8,
  backoff: { delayMs: 5000, capMs: 900_000 },

  run: ({ to, from, ...data }, { mail, job, signal }) =>
    mail.send({ job, template: 'welcome', to: [to], from, data, signal }),
});
