/** What counts as one plain mail address, and what may stand in a header line. */

import { describe, expect, it } from 'vitest';
import { isHeaderLine, isMailAddress, isSmtpUrl, parseMailbox } from '../../src/mail-address.ts';

const GOOD = [
  'ada@example.com',
  "o'hara+news@sub.example.co.uk",
  'a@b.io',
  `${'a'.repeat(64)}@example.com`,
  'ada@xn--bcher-kva.example',
  'ada@example.xn--p1ai',
];

const BAD: readonly [what: string, text: string][] = [
  ['nothing', ''],
  ['no at sign', 'ada.example.com'],
  ['no local part', '@example.com'],
  ['no domain', 'ada@'],
  ['two at signs', 'ada@x@example.com'],
  ['two addresses with a comma', 'a@x.com, b@y.com'],
  ['two addresses with a semicolon', 'a@x.com;b@y.com'],
  ['two addresses with a space', 'a@x.com b@y.com'],
  ['a group', 'friends: a@x.com, b@y.com;'],
  ['a name before it', 'Ada <ada@example.com>'],
  ['brackets', '<ada@example.com>'],
  ['a quoted local part', '"ada"@example.com'],
  ['a quoted local part that hides another address', '"b@y.com x"@example.com'],
  ['a comment', 'ada(lovelace)@example.com'],
  ['a comment in the domain', 'ada@example.com(b@y.com)'],
  ['a route with a percent sign', 'b%y.com@example.com'],
  ['a route with an exclamation mark', 'y.com!b@example.com'],
  ['a source route', '@y.com:b@example.com'],
  ['an address literal', 'ada@[127.0.0.1]'],
  ['an IP address', 'ada@127.0.0.1'],
  ['one label', 'root@localhost'],
  ['a local part of 65 characters', `${'a'.repeat(65)}@example.com`],
  ['255 characters', `a@${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.${'e'.repeat(60)}.example.com`],
  ['a label of 64 characters', `a@${'b'.repeat(64)}.com`],
  ['a dot before', '.ada@example.com'],
  ['a dot after', 'ada.@example.com'],
  ['two dots', 'a..da@example.com'],
  ['a label with a hyphen before', 'ada@-example.com'],
  ['a label with a hyphen after', 'ada@example-.com'],
  ['an empty label', 'ada@example..com'],
  ['a dot at the end', 'ada@example.com.'],
  ['a space before', ' ada@example.com'],
  ['a space after', 'ada@example.com '],
  ['a tab', 'ada\t@example.com'],
  ['a line break after', 'ada@example.com\n'],
  ['a line break within', 'ada@example.com\r\nBcc: b@y.com'],
  ['a NUL', 'ada\0@example.com'],
  ['a letter of another script that looks the same', 'аda@example.com'],
  ['a domain in another script', 'ada@exаmple.com'],
  ['a full-width at sign', 'ada＠example.com'],
  ['a backslash', 'ada\\@example.com'],
  ['mailto', 'mailto:ada@example.com'],
];

describe('a mail address', () => {
  it.each(GOOD)('may be %s', (text) => expect(isMailAddress(text)).toBe(true));
  it.each(BAD)('may not have %s', (_what, text) => expect(isMailAddress(text)).toBe(false));
});

describe('a header line', () => {
  it.each(['Ada', 'Grüße 👋', 'a "quoted" <thing>, b@y.com'])('may be %s', (text) =>
    expect(isHeaderLine(text)).toBe(true),
  );
  it.each(['a\rb', 'a\nb', 'a\0b', 'a\x7fb', 'a\u0085b', 'a\u2028b', 'a\u2029b', 'a\u202eb', 'a\u2066b', '\ud800'])(
    'may not be %j',
    (text) => expect(isHeaderLine(text)).toBe(false),
  );
});

describe('a mailbox', () => {
  it('is an address, or a name with one', () => {
    expect(parseMailbox('mill@example.com')).toEqual({ name: '', address: 'mill@example.com' });
    expect(parseMailbox('The Mill <mill@example.com>')).toEqual({ name: 'The Mill', address: 'mill@example.com' });
  });
  it.each(['The Mill', 'a <b@y.com> <c@z.com>', 'a\r\nBcc: b <b@y.com>', 'a <b@y.com>, <c@z.com>', '"a" <b@y.com>'])(
    'is not %j',
    (text) => expect(parseMailbox(text)).toBeUndefined(),
  );
});

describe('a mail server’s URL', () => {
  it.each(['smtp://mail.example.com', 'smtps://u:p@mail.example.com:465', 'smtp://[::1]:25/'])('may be %s', (url) =>
    expect(isSmtpUrl(url)).toBe(true),
  );
  it.each(['mail.example.com', 'http://x.com', 'smtp://', 'smtp://x.com/path', 'smtp://x.com?tls=no', 'file:///x'])(
    'may not be %s',
    (url) => expect(isSmtpUrl(url)).toBe(false),
  );
});
