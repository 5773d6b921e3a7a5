/**
 * `/admin/analytics`: the figures of the last 7, 30 or 90 days as charts, of all tenants together.
 *
 * Promises: behind the login of all admin pages; everything it loads comes from this service, from files with fixed
 * names; while PostgreSQL is away the page stands and says so. uPlot sets styles of elements through CSSOM, which a
 * strict `style-src` allows; inline styles and scripts are refused, and there are none.
 */

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { RequestHandler, Response, Router } from 'express';
import { addDays, dayOf } from '../../analytics/day.ts';
import type { Reports } from '../../analytics/reports.ts';
import { adminPage, adminRouter } from '../admin-page.ts';
import { html } from '../html.ts';
import { queryOf } from '../query.ts';

export const ANALYTICS_MOUNT = '/admin/analytics';

/** Days that can be looked at; the second is shown first. */
const RANGES = [7, 30, 90] as const;
const USUAL_RANGE = 30;

/** Files of uPlot's by the name under which they are served; ours have their own. */
const LIBRARY_FILES = { 'uplot.js': 'uPlot.iife.min.js', 'uplot.css': 'uPlot.min.css' } as const;
const OWN_FILES = ['analytics-charts.js', 'analytics-chart.js', 'analytics-charts.css'] as const;

export interface AnalyticsPageOptions {
  readonly login: RequestHandler;
  readonly reports: Pick<Reports, 'report'>;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

export function analyticsPage({ login, reports, clock = Date.now }: AnalyticsPageOptions): Router {
  const router = adminRouter(login);
  const library = dirname(createRequire(import.meta.url).resolve('uplot/dist/uPlot.min.css'));
  for (const [name, file] of Object.entries(LIBRARY_FILES)) {
    router.get(`/${name}`, (_request, response) => sendFile(response, library, file));
  }
  for (const file of OWN_FILES) {
    router.get(`/${file}`, (_request, response) => sendFile(response, import.meta.dirname, file));
  }
  router.get('/', (request, response) => {
    response.type('html').send(pageOf(rangeOf(request.url)));
  });
  router.get('/data', async (request, response) => {
    const to = dayOf(clock());
    const from = addDays(to, 1 - rangeOf(request.url));
    response.json(await reports.report({ tenant: undefined, from, to, group: 'day', series: [] }));
  });
  return router;
}

function sendFile(response: Response, root: string, file: string): void {
  // With a root only the name is looked at: the service may stand in a folder whose name begins with a dot.
  response.sendFile(join('/', file), { root, cacheControl: false });
}

/** The range that a page or its data is asked for; the usual one when it is none of them. */
function rangeOf(url: string): number {
  const { days } = queryOf(url);
  return RANGES.find((range) => String(range) === days) ?? USUAL_RANGE;
}

function pageOf(range: number): string {
  const ranges = RANGES.map((days) =>
    days === range
      ? html`<a href="${ANALYTICS_MOUNT}?days=${days}" aria-current="true">${days} days</a>`
      : html`<a href="${ANALYTICS_MOUNT}?days=${days}">${days} days</a>`,
  );
  return adminPage({
    title: 'Analytics',
    mount: ANALYTICS_MOUNT,
    head: html`<link rel="icon" href="data:,"><link rel="stylesheet" href="${ANALYTICS_MOUNT}/uplot.css"><link rel="stylesheet" href="${ANALYTICS_MOUNT}/analytics-charts.css">
<script src="${ANALYTICS_MOUNT}/uplot.js" defer></script>
<script src="${ANALYTICS_MOUNT}/analytics-charts.js" type="module"></script>`,
    content: html`<div class="bar"><nav class="ranges" aria-label="Range">${ranges}</nav>
<p class="quiet">All tenants. Days are UTC; today is not over.</p></div>
<noscript><p>The charts are drawn by a script. The same figures are at <code>GET /v1/analytics</code>.</p></noscript>
<p id="trouble" role="alert" hidden></p>
<section id="empty" hidden><h2>Nothing has been counted yet</h2>
<p>Every attempt at a job is counted within seconds of its end, so this page fills as soon as a worker has run one.
Try <code>npm run demo</code>, or <code>POST /v1/jobs</code>, and load the page again.</p></section>
<section id="tiles" class="tiles"></section>
<section id="charts" class="charts" data-source="${ANALYTICS_MOUNT}/data?days=${range}" aria-busy="true"></section>
<section id="kinds"></section>`,
  });
}
