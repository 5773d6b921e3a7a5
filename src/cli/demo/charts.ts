/** The demo's last stop: what was counted today, in figures and as charts. */

import { z } from 'zod';
import type { Terminal } from '../terminal.ts';
import { type Api, jobAnswer, untilCompleted } from './api.ts';

/** Series that are printed when there are any, and how. */
const SHOWN = [
  ['jobs.completed', 'jobs completed', (value: number) => String(value)],
  ['jobs.dead', 'jobs that died', (value: number) => String(value)],
  ['wait.p95', 'waited (p95)', (value: number) => `${Math.round(value)} ms`],
  ['run.p95', 'ran (p95)', (value: number) => `${Math.round(value)} ms`],
  ['cache.hit-ratio', 'from the cache', (value: number) => `${Math.round(value * 100)} %`],
  ['edits.learned', 'edits learned', (value: number) => String(value)],
  [
    'adaptation.accuracy',
    'less changed',
    (value: number) => `${Math.round(value * 100)} % than in the first five edits`,
  ],
] as const;

const report = z.object({ series: z.array(z.object({ name: z.string(), values: z.array(z.number().nullable()) })) });

/** Roll today up, print a few figures, and say where the charts are. */
export async function playCharts(api: Api, { print, say }: Terminal): Promise<void> {
  const day = new Date().toISOString().slice(0, 10);
  say('Counting what happened today.');
  const { id } = await api.call(jobAnswer, 'POST', '/v1/jobs', { job: 'analytics.roll-up-day', payload: { day } });
  await untilCompleted(api, id);
  const { series } = await api.call(report, 'GET', `/v1/analytics?from=${day}&to=${day}`);
  print('');
  print(`── ${day} ${'─'.repeat(50)}`);
  for (const [name, label, write] of SHOWN) {
    const value = series.find((each) => each.name === name)?.values[0] ?? undefined;
    if (value !== undefined) print(`  ${label.padEnd(18)}${write(value)}`);
  }
  print(`  ${'charts'.padEnd(18)}${api.link('/admin/analytics')} (the login of the board)`);
}
