/** A stop of the demo: a welcome mail, and where to look at it. */

import { z } from 'zod';
import { messageOf } from '../../errors.ts';
import type { Terminal } from '../terminal.ts';
import { type Api, jobAnswer, untilCompleted } from './api.ts';

const mailed = z.object({ messageId: z.string(), sent: z.int(), suppressed: z.array(z.string()) });

/** An address that nobody reads: the domain is kept free for examples. */
const TO = 'ada@example.com';

/** Send a welcome mail through the API, and show what became of it. */
export async function playMail(api: Api, { print, say }: Terminal): Promise<void> {
  say('Sending a welcome mail.');
  const payload = { to: TO, name: 'Ada', link: 'https://example.com/start' };
  const { id } = await api.call(jobAnswer, 'POST', '/v1/jobs', { job: 'email.send-welcome', payload });
  let result: z.output<typeof mailed>;
  try {
    result = mailed.parse(await untilCompleted(api, id));
  } catch (error) {
    say(`The mail was not sent (${messageOf(error)}), perhaps because no sender is set: MAIL_FROM. The tour goes on.`);
    return;
  }
  print('');
  print(`── a mail ${'─'.repeat(54)}`);
  for (const [name, value] of [
    ['subject', 'Welcome, Ada'],
    ['to', TO],
    ['Message-ID', result.messageId],
    ['look at it', `${api.link('/admin/mail')} (with the login of the board)`],
  ] as const) {
    print(`  ${name.padEnd(18)}${value}`);
  }
}
