/**
 * The port to whatever takes mail. Three implementations: a mail server, a folder, and a list in memory for tests.
 *
 * Promises: a message goes to one address and to no other, whatever stands in its headers; how it went is a value. A
 * send ends within its limits also when the other side says nothing.
 */

import type { Mailbox } from '../mail-address.ts';

/** One mail to one recipient, before it is bytes. */
export interface MailMessage {
  /** With its angle brackets; the same for every try. */
  readonly messageId: string;
  readonly date: Date;
  readonly from: Mailbox;
  /** Who gets it: the envelope and the To line. */
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  /** More header lines, by name. */
  readonly headers: Readonly<Record<string, string>>;
}

/** How a send went. */
export type SendOutcome =
  /** The other side has answered for it. */
  | { readonly kind: 'accepted'; readonly answer: string }
  /** Refused for good (5xx). `recipient`: because of the address, which need not be tried again. */
  | { readonly kind: 'rejected'; readonly answer: string; readonly recipient: boolean }
  /**
   * It was certainly not sent. `message`: this one was not taken for now (4xx). `server`: it cannot be reached, or the
   * connection failed before the mail was complete. `session`: it is there, but too slow, or refuses our login: it would
   * take the next mail no better.
   */
  | { readonly kind: 'later'; readonly answer: string; readonly of: 'message' | 'server' | 'session' }
  /** The whole mail was handed over and no answer came: it may have been sent. */
  | { readonly kind: 'unknown'; readonly answer: string };

export interface Mailer {
  readonly kind: 'smtp' | 'inbox' | 'recording';
  /** Hand a mail over. Rejects only for what is not an answer: a message that cannot be, or an aborted signal. */
  send(message: MailMessage, options: { readonly signal: AbortSignal }): Promise<SendOutcome>;
  /** Close what is open. */
  stop(): Promise<void>;
}
