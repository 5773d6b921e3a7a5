/** One suite for every mailer, and what only the one with a mail server can do wrong. */

import { createHash, generateKeyPairSync, type KeyObject, verify } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { smtpServer } from '../../../src/providers/configured-mailer.ts';
import { Inbox } from '../../../src/providers/inbox.ts';
import { InboxMailer } from '../../../src/providers/inbox-mailer.ts';
import type { Mailer, MailMessage } from '../../../src/providers/mailer.ts';
import { RecordingMailer } from '../../../src/providers/recording-mailer.ts';
import { SmtpMailer } from '../../../src/providers/smtp-mailer.ts';
import { CERTIFICATE, CERTIFICATE_KEY } from '../../support/mail-certificate.ts';
import { converse, type MailServer, refusal, startMailServer, startRawServer } from '../../support/mail-server.ts';
import { headerOf, readMail } from '../../support/mail-text.ts';
import { eventually } from '../../support/millrace-process.ts';

const SIGNAL = new AbortController().signal;
const QUICK = { connectMs: 2000, silenceMs: 2000, sendMs: 400, idleMs: 5000 };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-mail-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function message(more: Partial<MailMessage> = {}): MailMessage {
  return {
    messageId: '<email_1@example.com>',
    date: new Date('2030-05-06T07:08:09Z'),
    from: { name: 'The “Mill”', address: 'mill@example.com' },
    to: 'ada@example.org',
    subject: 'Grüße, and a line',
    text: 'Hello Ada,\n.\nbye',
    html: '<p>Hello <b>Ada</b></p>',
    headers: { 'List-Unsubscribe': '<https://example.com/u?token=abc.def>' },
    ...more,
  };
}

interface Site {
  readonly mailer: Mailer;
  /** The mails that were sent, as bytes. */
  sent(): Promise<string[]>;
  close(): Promise<void>;
}

const SITES: Record<string, () => Promise<Site>> = {
  smtp: async () => {
    const server = await startMailServer();
    const mailer = new SmtpMailer({ server: smtpServer(server.url, undefined) });
    return {
      mailer,
      sent: async () => server.mails.map(({ raw }) => raw),
      close: async () => {
        await mailer.stop();
        await server.close();
      },
    };
  },
  inbox: async () => {
    const inbox = new Inbox({ folder: await mkdtemp(join(folder, 'inbox-')), most: 100 });
    const { messageId, to } = message();
    const sent = async () => {
      const mail = await inbox.get({ messageId, to });
      return mail === undefined ? [] : [mail.raw.toString()];
    };
    return { mailer: new InboxMailer({ inbox }), sent, close: async () => {} };
  },
  recording: async () => {
    const mailer = new RecordingMailer();
    return { mailer, sent: async () => mailer.mails.map(({ raw }) => raw.toString()), close: async () => {} };
  },
};

/** What must never reach a header or an envelope. */
const HOSTILE: readonly [what: string, message: Partial<MailMessage>][] = [
  ['a line break in the subject', { subject: 'hi\r\nBcc: eve@example.net' }],
  ['a bare line feed in the subject', { subject: 'hi\nBcc: eve@example.net' }],
  ['a NUL in the subject', { subject: 'hi\0there' }],
  ['a line separator in the subject', { subject: 'hi\u2028there' }],
  ['a turn of direction in the subject', { subject: 'invoice\u202Efdp.exe' }],
  ['a line break in the sender’s name', { from: { name: 'x\r\nBcc: eve@example.net', address: 'mill@example.com' } }],
  ['a line break in the sender', { from: { name: '', address: 'mill@example.com\r\nRCPT TO:<eve@example.net>' } }],
  ['a line break in the recipient', { to: 'ada@example.org\r\nRCPT TO:<eve@example.net>' }],
  ['two recipients with a comma', { to: 'ada@example.org, eve@example.net' }],
  ['two recipients with a semicolon', { to: 'ada@example.org;eve@example.net' }],
  ['a group', { to: 'all: ada@example.org, eve@example.net;' }],
  ['a quoted local part', { to: '"eve@example.net x"@example.org' }],
  ['an address in brackets', { to: 'ada <eve@example.net>' }],
  ['a comment', { to: 'ada(comment)@example.org' }],
  ['a NUL in the recipient', { to: 'ada\0@example.org' }],
  ['a line break in a header', { headers: { 'X-Note': 'a\r\nBcc: eve@example.net' } }],
  ['a line break in a header’s name', { headers: { 'X-Note\r\nBcc': 'eve@example.net' } }],
  ['a line break in the Message-ID', { messageId: '<a@b>\r\nBcc: eve@example.net' }],
];

describe.each(Object.keys(SITES))('the %s mailer', (kind) => {
  let site: Site;
  beforeEach(async () => {
    const open = SITES[kind];
    if (open === undefined) throw new Error(kind);
    site = await open();
  });
  afterEach(() => site.close());

  it('hands over what the message says, and nothing else', async () => {
    expect(await site.mailer.send(message(), { signal: SIGNAL })).toMatchObject({ kind: 'accepted' });
    const [raw = '', ...others] = await site.sent();
    expect(others).toEqual([]);
    const mail = readMail(raw);
    expect(headerOf(mail, 'Message-ID')).toBe('<email_1@example.com>');
    expect(headerOf(mail, 'To')).toBe('ada@example.org');
    expect(headerOf(mail, 'From')).toBe('The “Mill” <mill@example.com>');
    expect(headerOf(mail, 'Subject')).toBe('Grüße, and a line');
    expect(headerOf(mail, 'Date')).toBe('Mon, 06 May 2030 07:08:09 +0000');
    expect(headerOf(mail, 'List-Unsubscribe')).toBe('<https://example.com/u?token=abc.def>');
    expect(headerOf(mail, 'Auto-Submitted')).toBe('auto-generated');
    expect(mail.parts.get('text/plain')?.trim()).toBe('Hello Ada,\r\n.\r\nbye');
    expect(mail.parts.get('text/html')?.trim()).toBe('<p>Hello <b>Ada</b></p>');
    expect([...mail.headers.keys()].sort()).toEqual(
      'auto-submitted content-type date from list-unsubscribe message-id mime-version subject to'.split(' '),
    );
  });

  it.each(HOSTILE)('refuses %s', async (_what, wrong) => {
    await expect(site.mailer.send(message(wrong), { signal: SIGNAL })).rejects.toMatchObject({ code: 'work-refused' });
    expect(await site.sent()).toEqual([]);
  });

  it('takes a path and a URL in the bodies for text', async () => {
    const text = 'file:///etc/passwd';
    const html = '<img src="http://127.0.0.1:9/x.png"><p>{{lookup . "__proto__"}}</p>';
    await site.mailer.send(message({ text, html }), { signal: SIGNAL });
    const { parts } = readMail((await site.sent())[0] ?? '');
    expect(parts.get('text/plain')?.trim()).toBe(text);
    expect(parts.get('text/html')?.trim()).toBe(html);
    expect(parts.size).toBe(2);
  });

  it('sends nothing once the signal has aborted', async () => {
    await expect(site.mailer.send(message(), { signal: AbortSignal.abort(new Error('over')) })).rejects.toThrow('over');
    expect(await site.sent()).toEqual([]);
  });
});

describe('the smtp mailer', () => {
  const opened: { close(): Promise<unknown> }[] = [];
  afterEach(async () => {
    for (const each of opened.splice(0).reverse()) await each.close();
  });

  function mailerFor(url: string, more: object = {}) {
    const mailer = new SmtpMailer({ server: { ...smtpServer(url, undefined), ...more }, limits: QUICK });
    opened.push({ close: () => mailer.stop() });
    return mailer;
  }
  async function served(options: Parameters<typeof startMailServer>[0] = {}): Promise<MailServer> {
    const server = await startMailServer(options);
    opened.push(server);
    return server;
  }
  async function raw(onConnection: Parameters<typeof startRawServer>[0]) {
    const server = await startRawServer(onConnection);
    opened.push(server);
    return server;
  }
  const send = (mailer: Mailer, more: Partial<MailMessage> = {}) => mailer.send(message(more), { signal: SIGNAL });

  it('writes the one recipient into the envelope', async () => {
    const server = await served();
    await send(mailerFor(server.url));
    expect(server.mails[0]).toMatchObject({ from: 'mill@example.com', to: ['ada@example.org'] });
  });

  it('keeps a connection for the next mail, and makes another when the server has closed it', async () => {
    const server = await served();
    const mailer = mailerFor(server.url);
    await send(mailer);
    await send(mailer);
    expect(server.connections).toBe(1);
    server.hangUp();
    expect(await send(mailer)).toMatchObject({ kind: 'accepted' });
    expect(server.connections).toBe(2);
    expect(server.mails).toHaveLength(3);
  });

  it('makes another when the server says only at the next mail that it has ended', async () => {
    let mails = 0;
    const server = await raw((socket) =>
      converse(socket, (line) => {
        if (line.startsWith('MAIL')) mails += 1;
        return line.startsWith('MAIL') && mails === 2 && !!socket.end('421 4.4.2 idle for too long\r\n');
      }),
    );
    const mailer = mailerFor(server.url);
    await send(mailer);
    expect(await send(mailer)).toMatchObject({ kind: 'accepted' });
    expect(mails).toBe(3);
  });

  it('leaves nothing behind on a connection, however many mails go over it', async () => {
    const server = await served();
    const mailer = mailerFor(server.url);
    const warnings: Error[] = [];
    const note = (warning: Error) => warnings.push(warning);
    process.on('warning', note);
    try {
      for (let n = 0; n < 15; n += 1) await send(mailer);
    } finally {
      process.off('warning', note);
    }
    expect(server.connections).toBe(1);
    expect(warnings).toEqual([]);
  });

  it.each([
    [550, '5.1.1 nobody here', true],
    [550, 'no such user', true],
    [553, 'not an address', true],
    [550, '5.7.1 relaying denied', false],
    [552, '5.2.2 mailbox full', false],
  ])('says of %i %s at the recipient whether the address is meant: %s', async (code, text, recipient) => {
    const server = await served({
      recipient: () => {
        throw refusal(code, text);
      },
    });
    expect(await send(mailerFor(server.url))).toMatchObject({ kind: 'rejected', recipient });
  });

  it('takes a refused content for a refusal of the mail, not of the address', async () => {
    const server = await served({
      data: () => {
        throw refusal(554, '5.1.1 looks like an address, but is spam');
      },
    });
    expect(await send(mailerFor(server.url))).toMatchObject({ kind: 'rejected', recipient: false });
  });

  it.each(['recipient', 'data'] as const)('is told to come later at %s', async (where) => {
    const server = await served({
      [where]: () => {
        throw refusal(451, '4.7.1 greylisted');
      },
    });
    expect(await send(mailerFor(server.url))).toMatchObject({ kind: 'later', of: 'message' });
  });

  it('says that the server is away', async () => {
    const server = await served();
    await server.close();
    opened.length = 0;
    expect(await send(mailerFor(server.url))).toMatchObject({ kind: 'later', of: 'server' });
  });

  it.each(['EHLO', 'MAIL', 'RCPT', 'DATA'])(
    'knows that nothing was sent when the connection breaks at %s',
    async (at) => {
      const server = await raw((socket) => converse(socket, (line) => line.startsWith(at) && !!socket.destroy()));
      expect(await send(mailerFor(server.url))).toMatchObject({ kind: 'later', of: 'server' });
    },
  );

  it('says that nobody knows when the connection breaks after the last byte', async () => {
    const server = await raw((socket) => converse(socket, (line) => line === '.' && !!socket.destroy()));
    expect(await send(mailerFor(server.url))).toMatchObject({ kind: 'unknown' });
  });

  it('says that nobody knows when no answer comes in time', async () => {
    const server = await raw((socket) => converse(socket, (line) => line === '.'));
    expect(await send(mailerFor(server.url))).toMatchObject({ kind: 'unknown' });
    await eventually(
      async () => server.open,
      (open) => open === 0,
      2000,
    );
  });

  it('leaves a tarpit in time, also when it never falls silent', async () => {
    const server = await raw((socket) => {
      const timer = setInterval(() => socket.write('2'), 20);
      socket.once('close', () => clearInterval(timer));
    });
    const startedAt = performance.now();
    expect(await send(mailerFor(server.url))).toMatchObject({ kind: 'later', of: 'session' });
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });

  it('does not speak to a server without TLS where TLS is wanted', async () => {
    const server = await served();
    expect(await send(mailerFor(server.url, { tls: 'starttls' }))).toMatchObject({ kind: 'later' });
    expect(server.mails).toEqual([]);
  });

  it('does not trust a certificate that nobody vouches for', async () => {
    const server = await served({ disabledCommands: [] });
    expect(await send(mailerFor(server.url, { tls: 'starttls' }))).toMatchObject({ kind: 'later' });
    expect(server.mails).toEqual([]);
  });

  it.each(['starttls', 'secure'] as const)('speaks TLS from the start it is told: %s', async (tls) => {
    let isSecure = false;
    const server = await served({
      disabledCommands: [],
      secure: tls === 'secure',
      cert: CERTIFICATE,
      key: CERTIFICATE_KEY,
      onMailFrom: (_address, session, done) => {
        isSecure = session.secure;
        done();
      },
    });
    const mailer = mailerFor(server.url, { host: 'localhost', tls, ca: CERTIFICATE });
    expect(await send(mailer)).toMatchObject({ kind: 'accepted' });
    expect(isSecure).toBe(true);
  });

  it('logs in where the URL names a user, and a wrong password is not the mail’s fault', async () => {
    const server = await served({
      authOptional: false,
      allowInsecureAuth: true,
      onAuth: ({ username, password }, _session, done) =>
        username === 'mill' && password === 'p@ss' ? done(null, { user: 'mill' }) : done(new Error('wrong')),
    });
    const url = new URL(server.url);
    Object.assign(url, { username: 'mill', password: 'p@ss' });
    expect(await send(mailerFor(url.href))).toMatchObject({ kind: 'accepted' });
    url.password = 'other';
    const before = server.open;
    expect(await send(mailerFor(url.href))).toMatchObject({ kind: 'later', of: 'session' });
    expect(server.mails).toHaveLength(1);
    await eventually(
      async () => server.open,
      (open) => open === before,
      1000,
    );
  });

  it('takes no answer of the server about itself for one about the mail', async () => {
    const server = await raw((socket) => socket.end('421 4.7.0 too many connections\r\n'));
    expect(await send(mailerFor(server.url))).toMatchObject({ kind: 'later', of: 'session' });
  });

  it('signs with a DKIM key', async () => {
    const server = await served();
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const dkim = {
      domainName: 'example.com',
      keySelector: 'mill',
      privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    };
    const mailer = new SmtpMailer({ server: smtpServer(server.url, undefined), dkim });
    await send(mailer);
    await mailer.stop();
    const raw = server.mails[0]?.raw ?? '';
    expect(raw).toMatch(/^DKIM-Signature:[\s\S]*d=example.com;[\s\S]*s=mill;/m);
    expect(isSigned(raw, publicKey)).toBe(true);
    expect(isSigned(raw.replace('Hello Ada', 'Hello Eve'), publicKey)).toBe(false);
    expect(isSigned(raw.replace('Subject: ', 'Subject: x'), publicKey)).toBe(false);
  });
});

/** Does the DKIM signature (RFC 6376, relaxed/relaxed) hold? */
function isSigned(raw: string, key: KeyObject): boolean {
  const at = raw.indexOf('\r\n\r\n');
  const fields = raw
    .slice(0, at)
    .replaceAll(/\r\n(?=[ \t])/g, '')
    .split('\r\n');
  const relaxed = (field: string) => {
    const [name = '', value = ''] = field.split(/:([\s\S]*)/);
    return `${name.toLowerCase().trim()}:${value.replaceAll(/[ \t]+/g, ' ').trim()}`;
  };
  const own = relaxed(fields.find((field) => field.startsWith('DKIM-Signature:')) ?? '');
  const tag = (name: string) => new RegExp(`[;:] ?${name}=([^;]*)`).exec(own)?.[1]?.replaceAll(' ', '') ?? '';
  const lines = raw
    .slice(at + 4)
    .split('\r\n')
    .map((line) => line.replaceAll(/[ \t]+/g, ' ').replace(/ $/, ''));
  const body = `${lines.join('\r\n').replace(/(\r\n)*$/, '')}\r\n`;
  const signed = tag('h')
    .split(':')
    .map((name) => fields.find((field) => field.toLowerCase().startsWith(`${name}:`)));
  const text = [...signed.map((field) => relaxed(field ?? '')), own.replace(/b=[^;]*$/, 'b=')].join('\r\n');
  const isBody = createHash('sha256').update(body).digest('base64') === tag('bh');
  return isBody && verify('rsa-sha256', Buffer.from(text), key, Buffer.from(tag('b'), 'base64'));
}

describe('an SMTP_URL', () => {
  it.each([
    ['smtp://mail.example.com', undefined, { host: 'mail.example.com', port: 587, tls: 'starttls', login: undefined }],
    ['smtps://u:p%40@mail.example.com', undefined, { port: 465, tls: 'secure', login: { user: 'u', pass: 'p@' } }],
    ['smtp://mail.example.com:25', 'off', { port: 25, tls: 'off' }],
    ['smtp://127.0.0.1:1025', undefined, { tls: 'off' }],
    ['smtp://[::1]:1025', undefined, { host: '::1', tls: 'off' }],
    ['smtp://localhost:1025', 'on', { tls: 'starttls' }],
    ['smtp://localhost.example.com', undefined, { tls: 'starttls' }],
  ] as const)('%s with SMTP_TLS %s', (url, tls, expected) => {
    expect(smtpServer(url, tls)).toMatchObject(expected);
  });
});

describe('the inbox', () => {
  const open = async (most = 100) => {
    const place = await mkdtemp(join(folder, 'box-'));
    return { place, inbox: new Inbox({ folder: join(place, 'inbox'), most }) };
  };
  const put = (inbox: Inbox, n: number, text = 'x') =>
    inbox.put(message({ messageId: `<email_${n}@example.com>`, text }), Buffer.from(`raw ${n} ${text}`));

  it('is empty before the first mail', async () => {
    const { inbox } = await open();
    expect(await inbox.count()).toBe(0);
    expect(await inbox.get(message())).toBeUndefined();
    expect(await inbox.removeBefore(new Date(), false)).toEqual({ removed: 0, bytes: 0 });
  });

  it('has the same mail once, as it was sent last', async () => {
    const { inbox } = await open();
    await put(inbox, 1, 'first');
    await put(inbox, 1, 'second');
    expect(await inbox.count()).toBe(1);
    expect(await inbox.get(message())).toMatchObject({ text: 'second' });
  });

  it('lets the oldest go when there are too many, and leaves no other file', async () => {
    const { inbox, place } = await open(2);
    for (const n of [1, 2, 3]) await put(inbox, n);
    expect(await inbox.count()).toBe(2);
    expect(await inbox.get({ messageId: '<email_1@example.com>', to: 'ada@example.org' })).toBeUndefined();
    expect(await readdir(join(place, 'inbox'))).toHaveLength(4);
  });

  it('is its owner’s alone', async () => {
    const { inbox, place } = await open();
    await put(inbox, 1);
    for (const name of [...(await readdir(join(place, 'inbox'))), '']) {
      const { mode } = await stat(join(place, 'inbox', name));
      expect(mode & 0o077).toBe(0);
    }
  });

  it('only counts what is old in a dry run, and then removes it', async () => {
    const { inbox } = await open();
    await put(inbox, 1);
    const later = new Date(Date.now() + 60_000);
    expect(await inbox.removeBefore(later, true)).toEqual({ removed: 1, bytes: 7 });
    expect(await inbox.removeBefore(new Date(0), false)).toEqual({ removed: 0, bytes: 0 });
    expect(await inbox.removeBefore(later, false)).toEqual({ removed: 1, bytes: 7 });
    expect(await inbox.count()).toBe(0);
  });

  it('loses what a killed process has left of a mail once that is old', async () => {
    const { inbox, place } = await open();
    const box = join(place, 'inbox');
    await put(inbox, 1);
    const kept = await readdir(box);
    for (const name of ['a.json', 'a.eml.4711.0123abcd.new']) await writeFile(join(box, name), 'x');
    expect(await inbox.removeBefore(new Date(0), false)).toEqual({ removed: 0, bytes: 0 });
    expect(await readdir(box)).toHaveLength(4);
    const longAgo = new Date(1_000_000);
    for (const name of ['a.json', 'a.eml.4711.0123abcd.new']) await utimes(join(box, name), longAgo, longAgo);
    expect(await inbox.removeBefore(new Date(2_000_000), true)).toEqual({ removed: 0, bytes: 0 });
    expect(await readdir(box)).toHaveLength(4);
    expect(await inbox.removeBefore(new Date(2_000_000), false)).toEqual({ removed: 0, bytes: 0 });
    expect((await readdir(box)).sort()).toEqual(kept.sort());
  });

  it('takes no path from a message', async () => {
    const { inbox, place } = await open();
    await inbox.put(message({ to: '../../evil', messageId: '<../x@y>' }), Buffer.from('raw'));
    expect(await readdir(place)).toEqual(['inbox']);
  });
});
