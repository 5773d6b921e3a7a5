/** The analytics page as a person sees it, in headless Chromium. */

import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, type TestContext } from 'vitest';
import { dayOf } from '../../src/analytics/day.ts';
import { fillDays } from '../support/analytics-days.ts';
import { startBrowser } from '../support/browser.ts';
import { REAL_JOBS } from '../support/producer-side.ts';
import { openWebSite, type WebSite } from '../support/web-site.ts';

/** Ignored by git; look at the pictures after a run. */
const PICTURES = join(import.meta.dirname, '..', '..', '.data', 'screenshots');
const LOGIN = { username: 'admin', password: 'correct horse' };

let site: WebSite;
let browser: Browser | undefined;
let missing = '';
let context: BrowserContext | undefined;
let complaints: string[] = [];

beforeAll(async () => {
  const started = await startBrowser();
  if ('browser' in started) browser = started.browser;
  else missing = started.missing;
  site = await openWebSite({ jobsDir: REAL_JOBS, worker: false, environment: { BOARD_PASSWORD: LOGIN.password } });
});
afterAll(async () => {
  await browser?.close();
  await site?.close();
});
beforeEach(() => {
  complaints = [];
});
afterEach(() => context?.close());

async function open({ skip }: TestContext, colorScheme: 'light' | 'dark' = 'light'): Promise<Page> {
  if (browser === undefined) return skip(missing);
  context = await browser.newContext({ httpCredentials: LOGIN, colorScheme, viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(`http://127.0.0.1:${site.port}/`)) complaints.push(`asked ${request.url()}`);
  });
  await page.addInitScript(
    "document.addEventListener('securitypolicyviolation', (event) => console.error('policy: ' + event.violatedDirective))",
  );
  return page;
}

async function load(page: Page, query = ''): Promise<void> {
  await page.goto(`http://127.0.0.1:${site.port}/admin/analytics${query}`);
  await page.locator('#charts:not([aria-busy])').waitFor({ state: 'attached' });
  expect(await page.locator('#trouble').textContent()).toBe('');
}

/** How many different colours each chart's canvas shows: 1 is a blank one. */
const COLOURS = `[...document.querySelectorAll('#charts canvas')].map((canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
})`;

describe('the analytics page in a browser', () => {
  it('says what to do while nothing has been counted', async (test) => {
    const page = await open(test);
    await load(page);
    await page.getByText('Nothing has been counted yet').waitFor();
    expect(await page.locator('canvas').count()).toBe(0);
    await page.screenshot({ path: join(PICTURES, 'analytics-empty.png') });
    expect(complaints).toEqual([]);
  });

  it.for(['light', 'dark'] as const)(
    'draws every chart in %s, under its policy, and asks no other site',
    async (scheme, test) => {
      const page = await open(test, scheme);
      if (scheme === 'light') await fillDays(site.web.services.database, dayOf(Date.now()), 90);
      await load(page);
      const titles = await page.locator('#charts h2').allTextContents();
      expect(titles).toEqual([
        'Jobs',
        'Waiting',
        'Running',
        'Cache',
        'Feedback',
        'Adaptationexperimental',
        'AI replies',
        'Edits',
        'Mail',
        'Media bytes',
        'Media',
        'Usage',
      ]);
      const colours: number[] = await page.evaluate(COLOURS);
      expect(colours).toHaveLength(titles.length);
      expect(Math.min(...colours)).toBeGreaterThan(10);
      const today = page.locator('#charts article').first().locator('.u-value').first();
      await expect.poll(() => today.textContent()).toBe(dayOf(Date.now()));
      await page.screenshot({ path: join(PICTURES, `analytics-${scheme}.png`), fullPage: true });
      expect(complaints).toEqual([]);
    },
  );

  it('shows another range when it is picked', async (test) => {
    const page = await open(test);
    await load(page);
    const before = await page.locator('.tile b').first().textContent();
    await page.getByRole('link', { name: '90 days' }).click();
    await page.locator('nav.ranges a[aria-current]', { hasText: '90 days' }).waitFor();
    await page.locator('.tile b').first().waitFor();
    expect(await page.locator('.tile b').first().textContent()).not.toBe(before);
    await page.screenshot({ path: join(PICTURES, 'analytics-90.png'), fullPage: true });
    expect(complaints).toEqual([]);
  });

  it('writes the value of a day under the chart that is pointed at', async (test) => {
    const page = await open(test);
    await load(page);
    const jobs = page.locator('#charts article').first();
    await jobs.locator('.u-over').hover({ position: { x: 300, y: 60 } });
    const day = await jobs.locator('.u-value').first().textContent();
    expect(day).toMatch(/^\d{4}-\d{2}-\d{2}$/);
    expect(Number((await jobs.locator('.u-value').nth(1).textContent())?.replaceAll(',', ''))).toBeGreaterThan(0);
    expect(complaints).toEqual([]);
  });
});
