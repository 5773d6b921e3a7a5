/** Some weeks of a service's life, written as its processes would have written them. */

import { addBatch, type JobCount } from '../../src/analytics/batches.ts';
import { addDays, type Day } from '../../src/analytics/day.ts';
import { addTo } from '../../src/analytics/histogram.ts';
import type { Database } from '../../src/database/connection.ts';

const JOBS = ['learning.process-edit', 'learning.apply-feedback', 'email.send-welcome', 'media.resize-image'];

/** Write `days` days up to and with `last`; what is written is the same every time. */
export async function fillDays(database: Database, last: Day, days: number): Promise<void> {
  const random = seeded(7);
  const jobs: JobCount[] = [];
  const usage: { tenant: string; day: Day; kind: string; amount: number }[] = [];
  const rows: { tenant: string; day: Day; series: string; amount: number }[] = [];
  for (let back = days - 1; back >= 0; back--) {
    const day = addDays(last, -back);
    const weekend = [0, 6].includes(new Date(day).getUTCDay());
    const load = (weekend ? 0.35 : 1) * (1 + (days - back) / days) * (0.85 + 0.3 * random());
    for (const [index, job] of JOBS.entries())
      jobs.push(...dayOfJob(day, job, Math.round((400 * load) / (index + 1)), random));
    const count = (kind: string, amount: number) => usage.push({ tenant: '*', day, kind, amount: Math.round(amount) });
    count('cache.hits', 4000 * load * (0.8 + 0.18 * random()));
    count('cache.misses', 500 * load);
    usage.push({ tenant: 'default', day, kind: 'usage.export-pages', amount: Math.round(60 * load) });
    const edits = Math.round(120 * load);
    const learned = (days - back) / days;
    const series = {
      'edits.learned': edits,
      'mail.sent': Math.round(130 * load),
      'media.bytes': Math.round(4e8 * load),
      'media.files': Math.round(50 * load),
      'mail.failed': Math.round(3 * random()),
      'ai.prompt-tokens': Math.round(90_000 * load),
      'ai.completion-tokens': Math.round(22_000 * load),
      ...(weekend ? {} : { 'feedback.given': 8, 'feedback.ratings': Math.round(8 * (3 + learned + 0.6 * random())) }),
      'adaptation.edits': edits,
      'adaptation.baseline': edits * 0.4,
      'adaptation.effort': edits * 0.4 * (1.05 - 0.55 * learned + 0.15 * random()),
    };
    for (const [name, amount] of Object.entries(series)) rows.push({ tenant: 'default', day, series: name, amount });
  }
  await addBatch(database, `filled-${last}`, { number: 1, jobs, usage });
  await database.insertInto('analytics_days').values(rows).execute();
}

function dayOfJob(day: Day, job: string, count: number, random: () => number): JobCount[] {
  const share = { completed: 1, retry: 0.06 * random(), dead: 0.02 * random() };
  return Object.entries(share).map(([outcome, part]) => {
    const wait: number[] = [];
    const run: number[] = [];
    const attempts = Math.max(1, Math.round(count * part));
    for (let each = 0; each < attempts; each++) {
      addTo(wait, 8 * Math.exp(3 * random() ** 2));
      addTo(run, 40 * Math.exp(2.5 * random() ** 2));
    }
    return { tenant: 'default', day, job, outcome, count: attempts, wait, run };
  });
}

/** Mulberry32: small, and the same everywhere. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
