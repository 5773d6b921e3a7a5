/** From data to mails: what is put where, and what data can never do. */

import { describe, expect, it } from 'vitest';
import { isTemplateName, mailRecipients, TEMPLATES, type TemplateName } from '../../../src/mail/template-data.ts';
import { Templates } from '../../../src/mail/templates.ts';

const templates = new Templates();
const NAMES = Object.keys(TEMPLATES).filter(isTemplateName);
const LINK = 'https://mill.example/u?token=a.b&x=1';

const notification = (more: object) => ({ title: 'News', message: 'It happened.', ...more });

describe.each(NAMES)('the template %s', (name) => {
  const { example, unsubscribable } = TEMPLATES[name];

  it('shows its example in all parts', async () => {
    const { subject, html, text } = await templates.render(name, example, unsubscribable ? LINK : null);
    expect(subject.length).toBeGreaterThan(5);
    for (const part of [subject, html, text]) expect(part).not.toMatch(/\{\{|undefined|null|\[object/);
    expect(html).toContain('</html>');
    expect(text.includes(LINK)).toBe(unsubscribable);
    expect(html.includes('u?token&#x3D;a.b&amp;x&#x3D;1')).toBe(unsubscribable);
  });

  it.each(Object.keys(TEMPLATES[name].example).filter((field) => field !== 'link'))('needs %s', async (field) => {
    const { [field]: _left, ...rest } = example as Record<string, unknown>;
    await expect(templates.render(name, rest, null)).rejects.toMatchObject({ code: 'payload-invalid' });
  });

  it('takes nothing that it does not know', async () => {
    const more = { ...example, partials: { x: '{{y}}' } };
    await expect(templates.render(name, more, null)).rejects.toMatchObject({ code: 'payload-invalid' });
  });
});

describe('data', () => {
  it.each([
    '{{#with this}}{{title}}{{/with}}',
    '{{lookup . "__proto__"}}',
    '{{constructor.constructor "return process"}}',
    '{{{title}}}',
    '{{> partial}}',
    '{{#each this}}x{{/each}}',
  ])('is never a template: %s', async (text) => {
    const { subject, text: plain } = await templates.render(
      'notification',
      notification({ title: text, message: text }),
      null,
    );
    expect(subject).toBe(text);
    expect(plain).toBe(`${text}\n\n${text}\n`);
  });

  it('is escaped in HTML and stands as it is in text', async () => {
    const name = '<img src=x onerror="alert(1)"> & Co';
    const { html, text, subject } = await templates.render('welcome', { name }, null);
    expect(html).not.toContain('<img');
    expect(html).toContain('&lt;img src&#x3D;x onerror&#x3D;&quot;alert(1)&quot;&gt; &amp; Co');
    expect(text).toContain(name);
    expect(subject).toBe(`Welcome, ${name}`);
  });

  it.each<[what: string, name: TemplateName, data: unknown]>([
    ['a line break in a name', 'welcome', { name: 'Ada\r\nBcc: eve@example.net' }],
    ['a line separator in a name', 'welcome', { name: 'Ada\u2028x' }],
    ['a name that is too long', 'welcome', { name: 'a'.repeat(101) }],
    ['an empty name', 'welcome', { name: '' }],
    ['a line break in a title', 'notification', notification({ title: 'a\nb' })],
    ['a title that is too long', 'notification', notification({ title: 'a'.repeat(151) })],
    ['a message that is too long', 'notification', notification({ message: 'a'.repeat(10_001) })],
    ['a NUL in a message', 'notification', notification({ message: 'a\0b' })],
    ['a script for a link', 'notification', notification({ link: 'javascript:alert(1)' })],
    ['a file for a link', 'notification', notification({ link: 'file:///etc/passwd' })],
    ['data for a link', 'notification', notification({ link: 'data:text/html,x' })],
    ['a link with a user name', 'notification', notification({ link: 'https://bank.example@evil.example/' })],
    ['a link with a space', 'notification', notification({ link: 'https://x.example/a b' })],
    ['attachments', 'notification', notification({ attachments: [{ path: '/etc/passwd' }] })],
    ['an object for a text', 'notification', notification({ title: { toString: 'x' } })],
    ['a list', 'welcome', [{ name: 'Ada' }]],
    ['nothing', 'welcome', undefined],
  ])('may not be %s', async (_what, name, data) => {
    await expect(templates.render(name, data, null)).rejects.toMatchObject({ code: 'payload-invalid' });
  });

  it('reaches no prototype', async () => {
    const data = JSON.parse('{"name":"Ada","__proto__":{"link":"https://evil.example/"}}');
    const rendered = await templates.render('welcome', data, null).catch((error: unknown) => error);
    expect(JSON.stringify(rendered)).not.toContain('evil');
  });
});

describe('recipients', () => {
  const many = (count: number) => Array.from({ length: count }, (_, n) => `a${n}@example.com`);

  it('may be 1 to 50', () => {
    expect(mailRecipients.parse(many(50))).toHaveLength(50);
    expect(mailRecipients.safeParse(many(51)).success).toBe(false);
    expect(mailRecipients.safeParse([]).success).toBe(false);
  });

  it('get one mail each, however often they are named', () => {
    expect(mailRecipients.parse(['ada@example.com', 'bo@example.com', 'ADA@example.com'])).toEqual([
      'ADA@example.com',
      'bo@example.com',
    ]);
  });

  it('are not several in one text', () => {
    expect(mailRecipients.safeParse(['a@x.com, b@y.com']).success).toBe(false);
  });
});
