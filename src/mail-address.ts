/**
 * What a mail address, a line of a header and a mail server's URL may say.
 *
 * Stricter than RFC 5322 on purpose: one address in plain ASCII, dots and letters. Quotes, comments, groups, lists,
 * routes (`%`, `!`), address literals and addresses that need SMTPUTF8 are refused, for they are where two programs read
 * two different recipients in one text. A name in another script is given in its `xn--` form.
 */

/** A mailbox with the name that people see. */
export interface Mailbox {
  /** May be empty. */
  readonly name: string;
  readonly address: string;
}

const LONGEST_ADDRESS = 254;
const LONGEST_LOCAL = 64;
const LONGEST_NAME = 100;
const LOCAL = /^[A-Za-z0-9#$&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9#$&'*+/=?^_`{|}~-]+)*$/;
const LABEL = /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
const TOP_LEVEL = /^([A-Za-z]{2,63}|xn--[A-Za-z0-9-]{1,59})$/i;
/** Controls, line and paragraph separators, halves of characters, and what turns the direction of writing. */
const NOT_IN_A_LINE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069\uFEFF]/u;

/** Is this one plain mail address? */
export function isMailAddress(text: string): boolean {
  if (text.length > LONGEST_ADDRESS) return false;
  const at = text.indexOf('@');
  const local = text.slice(0, at);
  if (at < 1 || local.length > LONGEST_LOCAL || !LOCAL.test(local)) return false;
  const labels = text.slice(at + 1).split('.');
  return labels.length > 1 && labels.every((label) => LABEL.test(label)) && TOP_LEVEL.test(labels.at(-1) ?? '');
}

/** May this text stand in one line of a header? */
export function isHeaderLine(text: string): boolean {
  return !NOT_IN_A_LINE.test(text);
}

/** The form in which addresses are compared: most servers take both parts in any case. */
export function normalAddress(address: string): string {
  return address.toLowerCase();
}

/** Read `name@example.com` or `Name <name@example.com>`; undefined when it is neither. */
export function parseMailbox(text: string): Mailbox | undefined {
  const [, name = '', address = text] = /^\s*([^<>"]*?)\s*<([^<>]*)>\s*$/.exec(text) ?? [];
  if (!isMailAddress(address) || name.length > LONGEST_NAME || !isHeaderLine(name)) return undefined;
  return { name, address };
}

/** Does this URL name a mail server? */
export function isSmtpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, pathname, search, hash } = new URL(text);
  const bare = (pathname === '' || pathname === '/') && search === '' && hash === '';
  return (protocol === 'smtp:' || protocol === 'smtps:') && hostname !== '' && bare;
}
