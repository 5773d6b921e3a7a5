/**
 * Pages in headless Chromium, watched: what the browser complains about, and what it asks of another site, is kept.
 * Where there is no Chromium a test is skipped with the reason; in CI that is an error (`browser.ts`).
 */

import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import type { TestContext } from 'vitest';
import { startBrowser } from './browser.ts';

/** Ignored by git; look at the pictures after a run. */
const PICTURES = join(import.meta.dirname, '..', '..', '.data', 'screenshots');
const PATIENCE_MS = 15_000;
const COMPLAINTS: readonly string[] = ['error', 'warning'];
const TELL_VIOLATIONS =
  "document.addEventListener('securitypolicyviolation', (event) => console.error('policy: ' + event.violatedDirective))";

export interface Visit {
  /** Where the page is served: whatever is asked of anybody else is a complaint. */
  readonly origin: string;
  readonly login?: { readonly username: string; readonly password: string };
  readonly colorScheme?: 'light' | 'dark';
}

export class WatchedBrowser {
  readonly #browser: Browser | undefined;
  readonly #missing: string;
  #context: BrowserContext | undefined;
  #complaints: string[] = [];

  private constructor(browser: Browser | undefined, missing: string) {
    this.#browser = browser;
    this.#missing = missing;
  }

  static async start(): Promise<WatchedBrowser> {
    const started = await startBrowser();
    return 'browser' in started
      ? new WatchedBrowser(started.browser, '')
      : new WatchedBrowser(undefined, started.missing);
  }

  /** What was complained about since the page was opened. */
  get complaints(): readonly string[] {
    return this.#complaints;
  }

  /** Open an empty page with nothing remembered of an earlier one. */
  async open({ skip }: TestContext, { origin, login, colorScheme = 'light' }: Visit): Promise<Page> {
    if (this.#browser === undefined) return skip(this.#missing);
    await this.#context?.close();
    this.#context = await this.#browser.newContext({
      ...(login && { httpCredentials: login }),
      viewport: { width: 1280, height: 900 },
      colorScheme,
    });
    const complaints: string[] = [];
    this.#complaints = complaints;
    const page = await this.#context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    page.on('console', (message) => {
      if (COMPLAINTS.includes(message.type())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.origin !== origin && url.protocol !== 'data:') complaints.push(`asked ${request.url()}`);
    });
    await page.addInitScript(TELL_VIOLATIONS);
    return page;
  }

  /** Take a picture for people to look at. */
  async picture(page: Page, name: string, fullPage = false): Promise<void> {
    await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage });
  }

  async close(): Promise<void> {
    await this.#browser?.close();
  }
}
