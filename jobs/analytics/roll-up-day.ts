/**
 * Count a day from the tables of others: every night yesterday, and on demand any day. For the default tenant it counts
 * all tenants; for another one its own figures alone.
 */

import { z } from 'zod';
import { addDays, day } from '../../src/analytics/day.ts';
import { AppError } from '../../src/errors.ts';
import { defineJob } from '../../src/queue/job.ts';
import { DEFAULT_TENANT } from '../../src/resources.ts';

/** Days before yesterday that are counted again at night, for facts that came late. */
const AGAIN = 2;

export default defineJob({
  name: 'analytics.roll-up-day',
  about: 'Count the figures of a day again; without a day, those of yesterday and of two days before it.',
  payload: z.strictObject({ day: day.optional() }),
  result: z.object({ day: z.string(), rows: z.int(), enqueued: z.int() }),
  example: {},
  every: '10 0 * * *',

  // Two at once would write the same rows; the lock spares the second one's work.
  exclusive: ({ day: which = 'yesterday' }, { tenant }) => ({ kind: 'analysis', tenant, id: which }),

  async run({ day: asked }, { analytics, apply, enqueue, job, signal }) {
    const which = asked ?? addDays(analytics.today, -1);
    if (which > analytics.today) throw new AppError('work-refused', `${which} has not begun yet.`);
    const earlier = asked === undefined ? Array.from({ length: AGAIN }, (_, back) => addDays(which, -1 - back)) : [];
    for (const each of earlier) {
      await enqueue({ job: job.name, payload: { day: each }, once: `${job.id} ${each}` });
    }
    const counts = await analytics.countDay(which);
    signal.throwIfAborted();
    const own = job.tenant === DEFAULT_TENANT ? counts : counts.filter(({ tenant }) => tenant === job.tenant);
    const rows = await apply((tx) => analytics.writeDay(tx, which, own));
    return { day: which, rows, enqueued: earlier.length };
  },
});
