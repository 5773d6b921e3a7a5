/** The report in a few lines of text, for the terminal and the log of a build. */

import type { Percentiles } from './histogram.ts';
import { showCount, showMs, showShare, showSpan } from './quantity.ts';
import type { Report } from './report.ts';

const COLUMNS = [
  ['p50', 'p50'],
  ['p90', 'p90'],
  ['p99', 'p99'],
  ['p999', 'p99.9'],
  ['max', 'max'],
] as const;

/** Lines without an end of line. */
export function summarise(report: Report): string[] {
  const { totals, throughput, latencyMs, errors, thresholds, warnings, loadMs, drain } = report;
  return [
    `${showCount(totals.due)} requests in ${showSpan(loadMs)}: ${showCount(totals.accepted)} accepted, ${showCount(totals.failed)} failed (${showShare(totals.errorRate)})`,
    `${showCount(totals.acceptedJobs)} jobs accepted, ${showCount(throughput.jobs)} a second`,
    '',
    `${''.padEnd(24)}${COLUMNS.map(([, title]) => title.padStart(9)).join('')}`,
    ...latencyLine('all requests', latencyMs.all),
    ...latencyLine('accepted', totals.failed > 0 ? latencyMs.accepted : null),
    ...latencyLine('failed', latencyMs.failed),
    ...latencyLine('from the sending', latencyMs.service),
    ...latencyLine('until completed', latencyMs.completed),
    '',
    ...errors.map(({ code, count, detail }) =>
      `${code.padEnd(24)}${showCount(count).padStart(9)}   ${detail ?? ''}`.trimEnd(),
    ),
    ...(errors.length > 0 ? [''] : []),
    ...(drain?.drained ? [`queues as empty as before after ${showSpan(drain.seconds * 1000)}`] : []),
    ...warnings.map((warning) => `note: ${warning}`),
    ...thresholds.map(
      ({ name, measured, limit, passed }) => `${passed ? 'pass' : 'FAIL'}: ${name}: ${measured}, ${limit}`,
    ),
  ];
}

function latencyLine(name: string, found: Percentiles | null): string[] {
  if (found === null) return [];
  return [`${name.padEnd(24)}${COLUMNS.map(([key]) => showMs(found[key]).padStart(9)).join('')}`];
}
