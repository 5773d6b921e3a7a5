/**
 * Puts mail into the local inbox instead of sending it: what happens without `SMTP_URL`. A full or missing disk rejects,
 * and the job is tried again.
 */

import { composeMail, type DkimKey } from './composed-mail.ts';
import type { Inbox } from './inbox.ts';
import type { Mailer, MailMessage, SendOutcome } from './mailer.ts';

export class InboxMailer implements Mailer {
  readonly kind = 'inbox';
  readonly #inbox: Inbox;
  readonly #dkim: DkimKey | undefined;

  constructor({ inbox, dkim }: { inbox: Inbox; dkim?: DkimKey | undefined }) {
    this.#inbox = inbox;
    this.#dkim = dkim;
  }

  async send(message: MailMessage, { signal }: { signal: AbortSignal }): Promise<SendOutcome> {
    signal.throwIfAborted();
    const raw = await composeMail(message, this.#dkim);
    await this.#inbox.put(message, raw);
    return { kind: 'accepted', answer: 'in the local inbox' };
  }

  async stop(): Promise<void> {}
}
