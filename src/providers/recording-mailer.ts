/** Keeps mails in memory and answers as it is told: for tests that ask what would be sent. Sends nothing. */

import { composeMail } from './composed-mail.ts';
import type { Mailer, MailMessage, SendOutcome } from './mailer.ts';

/** A mail as it would have gone out. */
export interface RecordedMail {
  readonly message: MailMessage;
  readonly raw: Buffer;
}

export class RecordingMailer implements Mailer {
  readonly kind = 'recording';
  readonly mails: RecordedMail[] = [];
  readonly #answer: (message: MailMessage) => SendOutcome | Promise<SendOutcome>;

  constructor({ answer }: { answer?: (message: MailMessage) => SendOutcome | Promise<SendOutcome> } = {}) {
    this.#answer = answer ?? (() => ({ kind: 'accepted', answer: 'recorded' }));
  }

  async send(message: MailMessage, { signal }: { signal: AbortSignal }): Promise<SendOutcome> {
    signal.throwIfAborted();
    const raw = await composeMail(message);
    const outcome = await this.#answer(message);
    if (outcome.kind === 'accepted' || outcome.kind === 'unknown') this.mails.push({ message, raw });
    return outcome;
  }

  async stop(): Promise<void> {}
}
