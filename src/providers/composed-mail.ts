/**
 * A mail as bytes, signed when there is a DKIM key. The door to nodemailer's composer.
 *
 * Promises: the bytes hold what the message says and nothing else: no file is read and no URL fetched, a header line
 * cannot be left, and an address that is not one plain address is refused whoever asks.
 */

import { AppError } from '../errors.ts';
import { isHeaderLine, isMailAddress } from '../mail-address.ts';
import type { MailMessage } from './mailer.ts';

/** What signs mail. */
export interface DkimKey {
  readonly domainName: string;
  readonly keySelector: string;
  /** PEM. */
  readonly privateKey: string;
}

/** Longest header line that servers must take. */
const LONGEST_LINE = 998;

/** The bytes of a message. Throws `work-refused` for what may not stand in a mail. */
export async function composeMail(message: MailMessage, dkim?: DkimKey): Promise<Buffer> {
  refuseWrong(message);
  const { messageId, date, from, to, subject, text, html, headers } = message;
  const { default: MailComposer } = await import('nodemailer/lib/mail-composer');
  const composer = new MailComposer({
    messageId,
    date,
    from: { name: from.name, address: from.address },
    to: { name: '', address: to },
    subject,
    text,
    html,
    headers: { 'Auto-Submitted': 'auto-generated', ...headers },
    // As on the wire, so that what is signed and what is kept are the bytes that go out.
    newline: 'windows',
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const plain = await composer.compile().build();
  if (dkim === undefined) return plain;
  const { default: DKIM } = await import('nodemailer/lib/dkim');
  const chunks: Buffer[] = [];
  for await (const chunk of new DKIM(dkim).sign(plain)) chunks.push(Buffer.from(chunk as Buffer));
  return Buffer.concat(chunks);
}

function refuseWrong({ messageId, from, to, subject, headers }: MailMessage): void {
  for (const address of [from.address, to]) {
    if (!isMailAddress(address)) throw new AppError('work-refused', 'This is not one plain mail address.');
  }
  if (!/^<[A-Za-z0-9._-]+@[A-Za-z0-9.-]+>$/.test(messageId)) {
    throw new AppError('work-refused', 'This is not a Message-ID.');
  }
  for (const line of [from.name, subject, ...Object.keys(headers), ...Object.values(headers)]) {
    if (!isHeaderLine(line) || line.length > LONGEST_LINE) {
      throw new AppError('work-refused', 'A header line holds what no header line may hold.');
    }
  }
}
