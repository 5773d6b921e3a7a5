/** Add to what was used of a kind: of anything that callers want to see by day. */

import { z } from 'zod';
import { defineJob, id } from '../../src/queue/job.ts';

/** Names with dots, such as `export.pages`. */
const KIND = /^[a-z][a-z0-9-]{0,30}([.][a-z][a-z0-9-]{0,30}){0,2}$/;

export default defineJob({
  name: 'analytics.record-usage',
  about: 'Add an amount to what was used of a kind on a day; it is shown as the series usage.<kind>.',
  payload: z.strictObject({
    kind: z.string().regex(KIND, 'must be a name such as export.pages'),
    amount: z.number().min(0).max(1e12),
    at: z.iso.datetime({ offset: true }).refine(isThisCentury, 'must lie in the 21st century').optional(),
    userId: id.optional(),
  }),
  result: z.object({ day: z.string() }),
  example: { kind: 'export.pages', amount: 12, userId: 'ada' },

  async run({ kind, amount, at, userId }, { analytics, apply, job }) {
    const usage = { kind, amount, at: at === undefined ? job.requestedAt : new Date(at), userId };
    return apply(async (tx) => ({ day: await analytics.recordUsage(tx, job.tenant, usage) }));
  },
});

function isThisCentury(at: string): boolean {
  const year = new Date(at).getUTCFullYear();
  return year >= 2000 && year < 2100;
}
