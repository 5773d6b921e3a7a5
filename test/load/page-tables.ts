/** The tables of the page: verdicts, percentiles, failures, jobs, the slowest seconds, and what was run where. */

import { showClock } from './chart-scale.ts';
import type { Percentiles } from './histogram.ts';
import { type Html, html, type Part } from './html.ts';
import { showCount, showMs, showShare, showSpan } from './quantity.ts';
import type { Report } from './report.ts';

/** Rows of the table of slowest seconds. */
const SLOWEST = 10;
/** Rows of any table whose length the service decides. */
const MOST_ROWS = 20;

interface Column {
  readonly title: string;
  /** Figures stand on the right, under each other. */
  readonly figure?: boolean;
}

function table(id: string, title: string, columns: readonly Column[], rows: readonly (readonly Part[])[]): Html {
  const look = (index: number) => (columns[index]?.figure ? 'figure' : 'word');
  return html`<section class="card" id="${id}"><h2>${title}</h2><div class="scroll"><table>
<thead><tr>${columns.map((column, index) => html`<th class="${look(index)}" scope="col">${column.title}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((cell, index) => html`<td class="${look(index)}">${cell}</td>`)}</tr>`)}</tbody>
</table></div></section>`;
}

const word = (title: string): Column => ({ title });
const figure = (title: string): Column => ({ title, figure: true });

/** Every threshold with its verdict. */
export function verdictTable({ thresholds }: Report): Html {
  const rows = thresholds.map(({ option, name, limit, measured, passed }) => [
    passed ? html`<b class="badge pass">pass</b>` : html`<b class="badge fail">fail</b>`,
    name,
    measured,
    limit,
    option === null ? 'always' : html`<code>${option}</code>`,
  ]);
  return table(
    'thresholds',
    'Thresholds',
    [word(''), word('What'), word('Measured'), word('Limit'), word('Set by')],
    rows,
  );
}

/** Latencies of all kinds, one row each; nothing when no request ended. */
export function latencyTable({ latencyMs, followed }: Report): Html | undefined {
  const { all, accepted, failed, service, completed } = latencyMs;
  const share = followed === null ? '' : ` (${showShare(followed.share)} followed)`;
  const rows: [string, Percentiles | null][] = [
    ['All requests, from when they were due', all],
    ['Accepted', accepted],
    ['Failed', failed],
    ['All, from when they were sent', service],
    [`Until the job was completed${share}`, completed],
  ];
  const shown = rows.flatMap(([name, found]) => {
    if (found === null) return [];
    const { count, mean, p50, p90, p99, p999, max } = found;
    return [[name, showCount(count), ...[mean, p50, p90, p99, p999, max].map(showMs)]];
  });
  if (shown.length === 0) return undefined;
  const columns = ['Count', 'Mean', 'p50', 'p90', 'p99', 'p99.9', 'Slowest'].map(figure);
  return table('percentiles', 'Latency', [word(''), ...columns], shown);
}

/** Failures by code, with what the service said; nothing when there were none. */
export function errorTable({ errors, totals }: Report): Html | undefined {
  if (errors.length === 0) return undefined;
  const rows = errors
    .slice(0, MOST_ROWS)
    .map(({ code, status, count, detail }) => [
      html`<code>${code}</code>`,
      status === 0 ? 'no answer' : String(status),
      showCount(count),
      showShare(count / totals.due),
      detail ?? '',
    ]);
  const columns = [
    word('Code'),
    word('Status'),
    figure('Requests'),
    figure('Share'),
    word('What the service said first'),
  ];
  return table('codes', 'Failures by code', columns, rows);
}

/** How each kind of job fared. */
export function jobTable({ jobs }: Report): Html {
  const rows = jobs.map(({ job, weight, varied, requests, acceptedJobs, accepted, latencyMs }) => [
    html`<code>${job}</code>`,
    showCount(weight),
    showCount(requests),
    showCount(acceptedJobs),
    showCount(requests - accepted),
    latencyMs === null ? '–' : showMs(latencyMs.p50),
    latencyMs === null ? '–' : showMs(latencyMs.p99),
    varied.length > 0 ? varied.join(', ') : 'nothing',
  ]);
  const columns = ['Weight', 'Requests', 'Jobs accepted', 'Failed', 'p50', 'p99'].map(figure);
  return table('jobs', 'Mix of jobs', [word('Job'), ...columns, word('Varied in each request')], rows);
}

/** The seconds with the slowest requests. */
export function slowestTable({ seconds, totalMs }: Report): Html | undefined {
  const slowest = seconds
    .flatMap((second) => (second.latencyMs === null ? [] : [{ ...second, ...second.latencyMs }]))
    .sort((a, b) => b.p99 - a.p99)
    .slice(0, SLOWEST);
  if (slowest.length === 0) return undefined;
  const rows = slowest.map(({ second, p50, p99, max, due, accepted, failed, inFlight, depth }) => [
    showClock(second, totalMs / 1000),
    showMs(p50),
    showMs(p99),
    showMs(max),
    showCount(due),
    showCount(accepted),
    showCount(failed),
    showCount(inFlight),
    depth === null ? '–' : showCount(depth.waiting + depth.active + depth.delayed),
  ]);
  const columns = ['p50', 'p99', 'Slowest', 'Due', 'Accepted', 'Failed', 'In flight', 'Depth'].map(figure);
  return table('slowest', 'Slowest seconds', [word('From'), ...columns], rows);
}

/** The queues of the mix, before, during and after. */
export function queueTable({ queues }: Report): Html | undefined {
  const rows = Object.entries(queues).map(([name, { before, peak, after, workers }]) => [
    html`<code>${name}</code>`,
    ...[before, peak, after, workers].map(showCount),
  ]);
  if (rows.length === 0) return undefined;
  const columns = ['Jobs before', 'Most', 'After', 'Workers'].map(figure);
  return table('queues', 'Queues', [word('Queue'), ...columns], rows);
}

/** What was run, by what, on what: so that a figure can be had again. */
export function setting(report: Report): Html {
  const { machine, versions, options, generator, command, replay, url, drain, followed } = report;
  const gibibytes = (machine.memoryBytes / 2 ** 30).toFixed(1);
  const { completed, dead, cancelled, unfinished, noRoom } = followed?.outcomes ?? {};
  const facts: [string, Part][] = [
    ['Command', html`<code>${command}</code>`],
    ['The same requests again', html`<code>${replay}</code>`],
    ['Service', `${url}, version ${versions.service ?? 'not told'}`],
    ['Load from', `millrace ${versions.millrace}, Node ${versions.node}`],
    [
      'Machine of the load',
      `${machine.processor}, ${machine.cores} cores, ${gibibytes} GiB, ${machine.system}, load ${machine.loadAverage} at the start`,
    ],
    [
      'The load’s own work',
      `${showShare(generator.cpuShare)} of a core; event loop late by ${showMs(generator.eventLoopP99Ms)} (p99); requests sent late by ${showMs(generator.lagMs?.p99 ?? 0)} (p99) with a connection free`,
    ],
    [
      'Requests',
      `${options.rate === 'max' ? 'as fast as answers come' : `${options.rate} a second, ${options.arrivals}`}, at most ${showCount(options.connections)} in flight, ${showCount(options.bulk)} ${options.bulk === 1 ? 'job' : 'jobs'} in each, given up after ${showSpan(options.timeoutMs)}`,
    ],
    ['Ids', options.ids === 0 ? 'a new one each time' : `${showCount(options.ids)} values each; seed ${options.seed}`],
    ...(followed === null
      ? []
      : [
          [
            'Followed jobs',
            `${completed} completed, ${dead} dead, ${cancelled} cancelled, ${unfinished} not finished in time, ${noRoom} without room`,
          ] as [string, Part],
        ]),
    ...(drain === null
      ? []
      : [
          [
            'Wait for empty queues',
            drain.drained
              ? `${showSpan(drain.seconds * 1000)}`
              : `given up after ${showSpan(drain.seconds * 1000)} with ${showCount(drain.left)} jobs left`,
          ] as [string, Part],
        ]),
  ];
  return html`<section class="card" id="setting"><h2>How it was measured</h2>
<dl>${facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl></section>`;
}
