/**
 * The templates there are, what each is given, and an example of it. Data and schemas; the texts are in `templates/`.
 *
 * What is given is never a template: it is put into one, escaped in HTML.
 */

import { z } from 'zod';
import { isHeaderLine, isMailAddress, normalAddress } from '../mail-address.ts';

/** Recipients that one job may have. */
export const MOST_RECIPIENTS = 50;

/** One plain mail address. */
export const mailAddress = z.string().refine(isMailAddress, 'must be one plain mail address, such as ada@example.com');

/** 1 to 50 addresses; one that is there twice, in whatever case, gets one mail. */
export const mailRecipients = z
  .array(mailAddress)
  .min(1)
  .max(MOST_RECIPIENTS)
  .transform((addresses) => [...new Map(addresses.map((address) => [normalAddress(address), address])).values()]);

/** Text of one line, as in a header. */
const line = (most: number) =>
  z.string().min(1).max(most).refine(isHeaderLine, 'must be one line without control characters');

/** A link that mail readers may follow. */
const link = z
  .url({ protocol: /^https?$/, error: 'must be http://… or https://…' })
  .max(2000)
  .refine((url) => isPlainLink(url), 'must hold no user name, spaces or control characters');

function isPlainLink(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { username, password } = new URL(url);
  return username === '' && password === '' && !/[\s\p{Cc}]/u.test(url);
}

/** Text of several lines. */
const lines = z
  .string()
  .min(1)
  .max(10_000)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
  .regex(/^[^\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F]*$/, 'must hold no control characters but line breaks');

export const TEMPLATES = {
  welcome: {
    about: 'Greets somebody who is new.',
    data: z.strictObject({ name: line(100), link: link.nullable().default(null) }),
    example: { name: 'Ada', link: 'https://example.com/start' },
    /** May it be unsubscribed from? A mail that somebody has just asked for may not. */
    unsubscribable: true,
  },
  'password-reset': {
    about: 'Brings a link, or a code, that sets a new password.',
    data: z.strictObject({ token: z.string().min(1).max(200), link: link.nullable(), minutes: z.int() }),
    example: {
      token: 'example-Xk3vQ9',
      link: 'https://example.com/new-password?token=example-Xk3vQ9',
      minutes: 30,
    },
    unsubscribable: false,
  },
  notification: {
    about: 'Tells of something that happened.',
    data: z.strictObject({ title: line(150), message: lines, link: link.nullable().default(null) }),
    example: {
      title: 'Your profile is ready',
      message: 'We have learned from your last ten edits.\nHave a look.',
      link: 'https://example.com/profile',
    },
    unsubscribable: true,
  },
} as const;

export type TemplateName = keyof typeof TEMPLATES;
/** What a template is given. */
export type TemplateData<N extends TemplateName> = z.input<(typeof TEMPLATES)[N]['data']>;

/** Is there a template of this name? */
export function isTemplateName(name: string): name is TemplateName {
  return Object.hasOwn(TEMPLATES, name);
}
