/** The demo's last stop: what was counted today, in figures and as charts. */

import { z } from 'zod';
import { pause } from '../../lifecycle.ts';
import type { Terminal } from '../terminal.ts';
import { type Api, jobAnswer, untilCompleted } from './api.ts';

const percent = (value: number) => `${Math.round(value * 100)} %`;

/** Series that are printed when there are any, and how. */
const SHOWN = [
  ['jobs.completed', 'jobs completed', (value: number) => String(value)],
  ['jobs.dead', 'jobs that died', (value: number) => String(value)],
  ['wait.p95', 'waited (p95)', (value: number) => `${Math.round(value)} ms`],
  ['run.p95', 'ran (p95)', (value: number) => `${Math.round(value)} ms`],
  ['cache.hit-ratio', 'from the cache', percent],
  ['edits.learned', 'edits learned', (value: number) => String(value)],
  ['adaptation.accuracy', 'writers rewrite', rewriting],
] as const;

/** Columns before a figure. */
const INDENT = 20;
/** Shares below which a difference is hardly one. */
const HARDLY = 0.05;

/** How much less of a draft writers rewrite than at first, as a sentence begun with "writers rewrite". */
export function rewriting(lessBy: number): string {
  const change = `${percent(Math.abs(lessBy))} ${lessBy < 0 ? 'more' : 'less'} of a draft than`;
  const than = Math.abs(lessBy) < HARDLY ? 'about as much of a draft as' : change;
  const aim = "Less means that drafts fit their writers better; the demo's edits are always the same.";
  return `${than} in their first five edits\n${' '.repeat(INDENT)}${aim}`;
}

const report = z.object({ series: z.array(z.object({ name: z.string(), values: z.array(z.number().nullable()) })) });

/** The roll-up's own series: once it is counted, so is whatever that worker did before. */
const OWN = 'jobs.completed:analytics.roll-up-day';
/** Workers hand in what they counted every 5 s. */
const ASK_AGAIN_MS = 1000;
const MOST_ASKS = 8;

/** Roll today up, print a few figures, and say where the charts are. */
export async function playCharts(api: Api, { print, say }: Terminal): Promise<void> {
  const day = new Date().toISOString().slice(0, 10);
  say('Counting what happened today; workers hand in their counts every few seconds.');
  const before = (await valuesOf(api, day)).get(OWN) ?? 0;
  const { id } = await api.call(jobAnswer, 'POST', '/v1/jobs', { job: 'analytics.roll-up-day', payload: { day } });
  await untilCompleted(api, id);
  let values = await valuesOf(api, day);
  for (let ask = 0; ask < MOST_ASKS && (values.get(OWN) ?? 0) <= before; ask++) {
    await pause(ASK_AGAIN_MS);
    values = await valuesOf(api, day);
  }
  print('');
  print(`── ${day} ${'─'.repeat(50)}`);
  for (const [name, label, write] of SHOWN) {
    const value = values.get(name);
    if (value !== undefined) print(`  ${label}`.padEnd(INDENT) + write(value));
  }
  print(`${'  charts'.padEnd(INDENT)}${api.link('/admin/analytics')} (the login of the board)`);
}

/** What each series says of a day; those that say nothing are left out. */
async function valuesOf(api: Api, day: string): Promise<Map<string, number>> {
  const { series } = await api.call(report, 'GET', `/v1/analytics?from=${day}&to=${day}`);
  return new Map(series.flatMap(({ name, values: [value] }) => (typeof value === 'number' ? [[name, value]] : [])));
}
