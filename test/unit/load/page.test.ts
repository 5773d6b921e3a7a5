import { describe, expect, it } from 'vitest';
import { makePage } from '../../load/page.ts';
import type { Report } from '../../load/report.ts';
import { madeReport, usualReport } from './made-report.ts';

const refused = (code: string, detail?: string) => () => ({ status: 503, code, jobs: 0, detail });

/** Loads as they go when something is odd. */
const STORIES: Readonly<Record<string, () => Report>> = {
  usual: usualReport,
  'two seconds': () => madeReport({ rates: [10, 12], depth: (second) => second }),
  'one request': () => madeReport({ rates: [1] }),
  nothing: () => madeReport({ rates: [0, 0, 0] }),
  'only refusals': () => madeReport({ rates: [50, 50, 50], fate: refused('store-unavailable') }),
  'an hour': () => madeReport({ rates: Array.from({ length: 3600 }, (_, second) => second % 3), depth: () => 1 }),
};

describe('the page', () => {
  it.each(Object.keys(STORIES))('has a figure in every place: %s', async (name) => {
    const page = await makePage(STORIES[name]?.() ?? usualReport());
    // The script may say what no figure is; the rest may not.
    const shown = page.replace(/<script>.*<\/script>/s, '').replace(/<style>.*<\/style>/s, '');
    expect(shown).not.toMatch(/NaN|undefined|Infinity|\[object/);
    expect(shown.match(/<figure /g)).toHaveLength(6);
    expect(shown).toContain('<h1>Load report</h1>');
  });

  it('asks no other place for anything, and forbids itself to', async () => {
    const page = await makePage(usualReport());
    expect(page).toContain('default-src &#39;none&#39;');
    expect(page).not.toMatch(/<(link|img|iframe)|@import|url\(/);
    expect(page.match(/src=|href=/g)).toBeNull();
  });

  it('shows as text what the service and the command line said', async () => {
    const hostile = '<img src=x onerror=alert(1)>"\'&</script>';
    const report = madeReport({
      rates: [5],
      fate: refused(hostile, hostile),
      findings: { command: hostile, mix: [{ job: hostile, weight: 1, varied: [hostile] }] },
    });
    const page = await makePage(report);
    expect(page).not.toContain('<img');
    expect(page.match(/<\/script>/g)).toHaveLength(1);
    expect(page).toContain('&lt;img src=x onerror=alert(1)&gt;');
  });

  it('tells what passed and what did not', async () => {
    const page = await makePage(usualReport());
    expect(page).toContain('A threshold did not hold');
    expect(page).toContain('--max-error-rate');
    const args = ['--max-p99', '100ms'];
    expect(await makePage(madeReport({ rates: [10], args }))).toContain('Every threshold held');
    expect(await makePage(madeReport({ rates: [10] }))).toContain('No threshold was set');
  });

  it('is of bounded size, however long the load was', async () => {
    const page = await makePage(STORIES['an hour']?.() ?? usualReport());
    expect(page.length).toBeLessThan(500_000);
    expect(page).toContain('the worst second of 12 s');
  });
});
