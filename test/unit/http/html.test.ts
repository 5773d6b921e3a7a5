import { describe, expect, it } from 'vitest';
import { adminPage } from '../../../src/http/admin-page.ts';
import { html } from '../../../src/http/html.ts';

describe('html', () => {
  it('escapes whatever is put into it, in text and in attributes', () => {
    const evil = `<script>"&'`;
    expect(html`<a title="${evil}">${evil}</a>`.text).toBe(
      '<a title="&lt;script&gt;&quot;&amp;&#39;">&lt;script&gt;&quot;&amp;&#39;</a>',
    );
  });

  it('takes html as it is, joins lists, and shows nothing for undefined', () => {
    const items = ['a', '<b>'].map((item) => html`<li>${item}</li>`);
    expect(html`<ul>${items}</ul>${undefined}${3}`.text).toBe('<ul><li>a</li><li>&lt;b&gt;</li></ul>3');
  });
});

describe('a page below /admin', () => {
  it('marks its own place in the navigation and escapes its title', () => {
    const page = adminPage({ title: '<Mail>', mount: '/admin/mail', content: html`<p>x</p>` });
    expect(page).toContain('<title>&lt;Mail&gt; · Millrace</title>');
    expect(page.match(/aria-current/g)).toHaveLength(1);
    expect(page).toContain('href="/admin/mail" aria-current="page"');
  });
});
