/** The analytics page as a person sees it, in headless Chromium. */

import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { dayOf } from '../../src/analytics/day.ts';
import { fillDays } from '../support/analytics-days.ts';
import { REAL_JOBS } from '../support/producer-side.ts';
import { WatchedBrowser } from '../support/watched-browser.ts';
import { openWebSite, type WebSite } from '../support/web-site.ts';

const LOGIN = { username: 'admin', password: 'correct horse' };

let site: WebSite;
let browser: WatchedBrowser;

beforeAll(async () => {
  browser = await WatchedBrowser.start();
  site = await openWebSite({ jobsDir: REAL_JOBS, worker: false, environment: { BOARD_PASSWORD: LOGIN.password } });
});
afterAll(async () => {
  await browser?.close();
  await site?.close();
});

const origin = () => `http://127.0.0.1:${site.port}`;
const open = (test: TestContext, colorScheme: 'light' | 'dark' = 'light') =>
  browser.open(test, { origin: origin(), login: LOGIN, colorScheme });

async function load(page: Page, query = ''): Promise<void> {
  await page.goto(`${origin()}/admin/analytics${query}`);
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
    await browser.picture(page, 'analytics-empty');
    expect(browser.complaints).toEqual([]);
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
      await browser.picture(page, `analytics-${scheme}`, true);
      expect(browser.complaints).toEqual([]);
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
    await browser.picture(page, 'analytics-90', true);
    expect(browser.complaints).toEqual([]);
  });

  it('writes the value of a day under the chart that is pointed at', async (test) => {
    const page = await open(test);
    await load(page);
    const jobs = page.locator('#charts article').first();
    await jobs.locator('.u-over').hover({ position: { x: 300, y: 60 } });
    const day = await jobs.locator('.u-value').first().textContent();
    expect(day).toMatch(/^\d{4}-\d{2}-\d{2}$/);
    expect(Number((await jobs.locator('.u-value').nth(1).textContent())?.replaceAll(',', ''))).toBeGreaterThan(0);
    expect(browser.complaints).toEqual([]);
  });
});
