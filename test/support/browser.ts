/** Chromium for the tests: the system's, installed first where that needs no password. */

import { type Browser, chromium } from 'playwright-core';
import { messageOf } from '../../src/errors.ts';
import { ensureProgram } from '../../src/local/programs.ts';

const CHROMIUM = {
  name: 'Chromium',
  programs: ['chromium', 'chromium-browser', 'google-chrome'],
  debian: 'chromium',
  dnf: 'sudo dnf install -y chromium',
  brew: '--cask chromium',
  instead: 'Or run the other tests alone: npx vitest run --project unit --project integration --project contract',
} as const;

/** No network of its own, no sandbox (it refuses to have one as root). */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Start Chromium; where there is none and none can be installed, why. In CI (`CI` is set) that is an error. */
export async function startBrowser(): Promise<{ browser: Browser } | { missing: string }> {
  let executablePath: string;
  try {
    executablePath = await ensureProgram(CHROMIUM, { install: 'auto', say: console.error });
  } catch (error) {
    if (process.env.CI) throw error;
    return { missing: messageOf(error) };
  }
  return { browser: await chromium.launch({ executablePath, args: FLAGS }) };
}
