/** The mailer that the configuration asks for: a mail server, or the local inbox when there is none. Opens nothing. */

import type { Config } from '../config.ts';
import type { DkimKey } from './composed-mail.ts';
import type { Inbox } from './inbox.ts';
import { InboxMailer } from './inbox-mailer.ts';
import type { Mailer } from './mailer.ts';
import { SmtpMailer } from './smtp-mailer.ts';
import type { SmtpServer } from './smtp-session.ts';

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

type MailConfig = Pick<Config, 'SMTP_URL' | 'SMTP_TLS' | 'DKIM_DOMAIN' | 'DKIM_SELECTOR' | 'DKIM_KEY'>;

/** Make it. */
export function configuredMailer(config: MailConfig, inbox: Inbox): Mailer {
  const dkim = dkimKey(config);
  if (config.SMTP_URL === undefined) return new InboxMailer({ inbox, dkim });
  return new SmtpMailer({ server: smtpServer(config.SMTP_URL, config.SMTP_TLS), dkim });
}

/** What an `SMTP_URL` says. */
export function smtpServer(url: string, tls: 'on' | 'off' | undefined): SmtpServer {
  const { protocol, hostname, port, username, password } = new URL(url);
  const secure = protocol === 'smtps:';
  const wanted = tls ?? (LOOPBACK.has(hostname) ? 'off' : 'on');
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port || (secure ? 465 : 587)),
    tls: secure ? 'secure' : wanted === 'on' ? 'starttls' : 'off',
    login: username === '' ? undefined : { user: decodeURIComponent(username), pass: decodeURIComponent(password) },
  };
}

function dkimKey({ DKIM_DOMAIN, DKIM_SELECTOR, DKIM_KEY }: MailConfig): DkimKey | undefined {
  if (DKIM_DOMAIN === undefined || DKIM_SELECTOR === undefined || DKIM_KEY === undefined) return undefined;
  return { domainName: DKIM_DOMAIN, keySelector: DKIM_SELECTOR, privateKey: DKIM_KEY.replaceAll('\\n', '\n') };
}
