/** The mail page as a person sees it, in headless Chromium. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { REAL_JOBS } from '../support/producer-side.ts';
import { WatchedBrowser } from '../support/watched-browser.ts';
import { openWebSite, type WebSite } from '../support/web-site.ts';

const LOGIN = { username: 'admin', password: 'correct horse' };

let folder: string;
let site: WebSite;
let browser: WatchedBrowser;

beforeAll(async () => {
  browser = await WatchedBrowser.start();
  folder = await mkdtemp(join(tmpdir(), 'millrace-mail-'));
  site = await openWebSite({ jobsDir: REAL_JOBS, environment: { DATA_DIR: folder, BOARD_PASSWORD: LOGIN.password } });
  const link = 'https://app.example/start';
  await mail('email.send-welcome', { to: 'ada@example.org', name: 'Ada', link });
  await mail('email.send-password-reset', { email: 'bo@example.org' });
  const message = 'We have learned from your last ten edits.\nHave a look <script>document.title="owned"</script>.';
  const to = ['cy@example.org', 'a-rather-long-name-of-somebody@a-rather-long-domain.example.org'];
  await mail('email.send-notification', { to, title: 'Your profile is ready', message, link });
  await mail('email.send-welcome', { to: 'dee@example.org', name: 'Dee', from: 'nobody@example.org' });
});
afterAll(async () => {
  await browser?.close();
  await site?.close();
  await rm(folder, { recursive: true, force: true });
});

async function mail(job: string, payload: object): Promise<void> {
  const { body } = await site.ask('POST', '/v1/jobs', { job, payload });
  await site.ask('GET', `/v1/jobs/${body.id}?wait=20`);
}

const at = (path: string) => `http://127.0.0.1:${site.port}${path}`;
const open = (test: TestContext, colorScheme: 'light' | 'dark' = 'light') =>
  browser.open(test, { origin: new URL(at('/')).origin, login: LOGIN, colorScheme });

/** The size of a mail's heading: its styles are there. */
const SIZE = "getComputedStyle(document.querySelector('h1')).fontSize";

describe('the mail page in a browser', () => {
  it('lists what was sent and filters it by state', async (test) => {
    const page = await open(test);
    await page.goto(at('/admin/mail'));
    expect(await page.locator('tbody tr').count()).toBe(4);
    expect(await page.locator('tbody tr').first().textContent()).toContain('a-rather-long-name');
    await browser.picture(page, 'mail-list');
    await page.locator('.states').getByRole('link', { name: 'failed' }).click();
    expect(await page.getByText('There is no mail here.').count()).toBe(1);
    expect(browser.complaints).toEqual([]);
  });

  it('shows a mail as it looks, and nothing in it runs', async (test) => {
    const page = await open(test);
    await page.goto(at('/admin/mail'));
    await page.getByRole('link', { name: 'Your profile is ready' }).first().click();
    const frame = page.frameLocator('iframe');
    await frame.getByRole('heading', { name: 'Your profile is ready' }).waitFor();
    expect(await frame.locator('p').first().textContent()).toContain('<script>');
    expect(await page.frames()[1]?.evaluate(SIZE)).toBe('22px');
    expect(await page.title()).toBe('Your profile is ready · Millrace');
    await browser.picture(page, 'mail-one', true);
    expect(browser.complaints).toEqual([]);
  });

  it('hands a mail over as a file', async (test) => {
    const page = await open(test);
    await page.goto(at('/admin/mail'));
    await page.getByRole('link', { name: 'Set a new password' }).click();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download as .eml' }).click(),
    ]);
    expect(download.suggestedFilename()).toMatch(/^mail-\d+\.eml$/);
    await browser.picture(page, 'mail-reset', true);
    expect(browser.complaints).toEqual([]);
  });

  it('is readable in the dark', async (test) => {
    const page = await open(test, 'dark');
    await page.goto(at('/admin/mail'));
    await page.locator('tbody tr').first().waitFor();
    await browser.picture(page, 'mail-dark');
    expect(browser.complaints).toEqual([]);
  });

  it('shows a template, and lets a recipient unsubscribe', async (test) => {
    const page = await open(test);
    await page.goto(at('/v1/mail/templates/welcome'));
    expect(await page.evaluate(SIZE)).toBe('22px');
    await browser.picture(page, 'mail-template');
    const link = await site.web.services.unsubscribeLinks.make({ tenant: 'default', address: 'ada@example.org' });
    await page.goto(link.replace(/^http:\/\/[^/]+/, at('')));
    await browser.picture(page, 'mail-unsubscribe');
    await page.getByRole('button', { name: 'Unsubscribe' }).click();
    await page.getByRole('heading', { name: 'Unsubscribed' }).waitFor();
    expect(await site.web.services.suppressions.reason('default', 'ada@example.org')).toBe('unsubscribed');
    expect(browser.complaints).toEqual([]);
  });
});
