/** The board as a person sees it, in headless Chromium. */

import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { BOARD_JOBS, BOARD_LOGIN, type BoardSite, startBoardSite } from '../support/board-site.ts';
import { WatchedBrowser } from '../support/watched-browser.ts';
import { createWorld, type World } from '../support/world.ts';

const LOGIN = { username: BOARD_LOGIN.user, password: BOARD_LOGIN.password };

let world: World;
let readOnly: BoardSite;
let browser: WatchedBrowser;

beforeAll(async () => {
  browser = await WatchedBrowser.start();
  world = await createWorld({ migrate: false });
  readOnly = await startBoardSite(world);
});
afterAll(async () => {
  await browser?.close();
  await readOnly?.close();
  await world?.close();
});

const open = (test: TestContext, site: BoardSite, login?: typeof LOGIN) =>
  browser.open(test, { origin: new URL(site.url).origin, ...(login && { login }) });

describe('the board in a browser', () => {
  it('shows nothing without the login', async (test) => {
    const page = await open(test, readOnly);
    const answer = await page.goto(readOnly.url).catch((error: unknown) => error);
    // Chromium without anybody to ask for a password reports the challenge as an error.
    if (answer instanceof Error) expect(answer.message).toContain('ERR_INVALID_AUTH_CREDENTIALS');
    expect(await page.getByText('letters').count()).toBe(0);
  });

  it('shows all queues, works under its policy and asks no other site', async (test) => {
    const page = await open(test, readOnly, LOGIN);
    await page.goto(readOnly.url);
    const cards = page.getByRole('main').or(page.locator('#root'));
    await cards.getByRole('link', { name: 'letters' }).first().waitFor();
    await cards.getByRole('link', { name: 'mills' }).first().waitFor();
    await page.getByText('Loading...').waitFor({ state: 'hidden' });
    expect(await page.title()).toContain('Millrace');
    const font = await page.evaluate('getComputedStyle(document.body).fontFamily');
    expect(font).toMatch(/^ui-sans-serif/);
    await browser.picture(page, 'board-queues');
    expect(browser.complaints).toEqual([]);
  });

  it('shows a finished job without its secrets, and no way to change it', async (test) => {
    const page = await open(test, readOnly, LOGIN);
    await page.goto(`${readOnly.url}/queue/letters/${BOARD_JOBS.finished}`);
    await page.getByText('ada@example.org').waitFor();
    const text = await page.locator('#root').textContent();
    expect(text).toContain('letters.send-letter');
    expect(text).toContain('Finished at');
    expect(text).toContain('[redacted]');
    expect(text).not.toContain('my-secret-seal');
    await browser.picture(page, 'board-finished-job');
    expect(browser.complaints).toEqual([]);
  });

  it('retries a dead job when writes are on, and writes it down', async (test) => {
    const own = await createWorld({ migrate: false });
    const site = await startBoardSite(own, { writes: 'on' });
    try {
      const page = await open(test, site, LOGIN);
      await page.goto(`${site.url}/queue/letters?status=failed`);
      await page.getByRole('button', { name: 'Retry all' }).click();
      const done = page.waitForResponse((response) => response.request().method() === 'PUT');
      await page.getByRole('button', { name: /confirm/i }).click();
      expect((await done).status()).toBe(200);
      expect(await site.letters.getJobState(BOARD_JOBS.dead)).toBe('waiting');
      await expect.poll(() => site.audit).toHaveLength(1);
      expect(site.audit[0]).toMatchObject({ user: 'admin', queue: 'letters', jobState: 'failed', outcome: 'done' });
      expect(browser.complaints).toEqual([]);
    } finally {
      await site.close();
      await own.close();
    }
  });
});
