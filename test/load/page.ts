/**
 * `report.html`: one page that holds all it needs and works from a file.
 *
 * Promises: it asks no other place for anything, and its policy forbids it to; what the service or the command line
 * said is never markup; it can be read without its script, which only points at values.
 */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Html, html } from './html.ts';
import { charts } from './page-charts.ts';
import { errorTable, jobTable, latencyTable, queueTable, setting, slowestTable, verdictTable } from './page-tables.ts';
import { showCount, showMs, showShare, showSpan } from './quantity.ts';
import type { Report } from './report.ts';

/** The whole page. */
export async function makePage(report: Report): Promise<string> {
  const [style, script] = await Promise.all([
    readFile(join(import.meta.dirname, 'page.css'), 'utf8'),
    readFile(join(import.meta.dirname, 'page-script.js'), 'utf8'),
  ]);
  const policy = `default-src 'none'; style-src ${hashOf(style)}; script-src ${hashOf(script)}; base-uri 'none'; form-action 'none'`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Millrace load report: ${report.verdict}</title>
<style>${new Html(style)}</style>
</head>
<body>
<main>
${head(report)}
${tiles(report)}
${notes(report)}
${verdictTable(report)}
<div class="charts">${charts(report)}</div>
${latencyTable(report)}
${errorTable(report)}
${jobTable(report)}
${pair(slowestTable(report), queueTable(report))}
${setting(report)}
</main>
<script>${new Html(script)}</script>
</body>
</html>
`.text;
}

/** Side by side where there is room. */
function pair(...parts: readonly (Html | undefined)[]): Html | undefined {
  return parts.every((part) => part === undefined) ? undefined : html`<div class="pair">${parts}</div>`;
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

function head({ verdict, thresholds, startedAt, loadMs, url, endedEarly, options }: Report): Html {
  const asked = thresholds.some(({ option }) => option !== null);
  const held = asked ? 'Every threshold held' : 'No threshold was set';
  const said = verdict === 'pass' ? held : 'A threshold did not hold';
  const pace = options.rate === 'max' ? 'as fast as answers come' : `${showCount(options.rate)} requests a second`;
  const when = startedAt.replace('T', ' ').replace(/[.]\d+Z$/, ' UTC');
  return html`<header><div><h1>Load report</h1>
<p>${pace} for ${showSpan(loadMs)}${endedEarly ? ' (ended early)' : ''} against ${url}, ${when}</p></div>
<p class="verdict ${verdict === 'pass' && !asked ? 'none' : verdict}">${said}</p></header>`;
}

function tiles({ totals, throughput, latencyMs, queues }: Report): Html {
  const deepest = Object.values(queues).reduce((sum, { peak }) => sum + peak, 0);
  const jobs = totals.acceptedJobs === totals.accepted ? 'jobs' : `jobs in ${showCount(totals.accepted)} requests`;
  const rows: [name: string, value: string, about: string][] = [
    ['Accepted', showCount(totals.acceptedJobs), jobs],
    ['Throughput', showCount(throughput.jobs), 'jobs a second'],
    ['p50', latencyMs.all ? showMs(latencyMs.all.p50) : '–', 'latency of all requests'],
    ['p99', latencyMs.all ? showMs(latencyMs.all.p99) : '–', 'latency of all requests'],
    ['Failed', showShare(totals.errorRate), `${showCount(totals.failed)} of ${showCount(totals.due)} requests`],
    [
      latencyMs.completed ? 'Completed, p50' : 'Deepest',
      latencyMs.completed ? showMs(latencyMs.completed.p50) : showCount(deepest),
      latencyMs.completed ? 'from the request to the end of its job' : 'jobs in the queues',
    ],
  ];
  return html`<div class="tiles">${rows.map(
    ([name, value, about]) =>
      html`<div class="card tile"><h2>${name}</h2><p class="big">${value}</p><p>${about}</p></div>`,
  )}</div>`;
}

function notes({ warnings }: Report): Html | undefined {
  if (warnings.length === 0) return undefined;
  return html`<section class="card notes" id="notes"><h2>Before you trust the figures</h2>
<ul>${warnings.map((warning) => html`<li>${warning}</li>`)}</ul></section>`;
}
