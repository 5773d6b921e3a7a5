/** Compute evolution scores again from what is stored: one writer's, or, every night, those of all writers. */

import { z } from 'zod';
import { defineJob, id } from '../../src/queue/job.ts';
import { profile } from '../../src/resources.ts';

/** Writers that are looked up at once. */
const PAGE = 500;

export default defineJob({
  name: 'learning.recalculate-evolution',
  about: 'Compute a writer’s evolution score again; without a userId, one job for each writer.',
  experimental: true,
  payload: z.strictObject({ userId: id.optional() }),
  result: z.object({ version: z.int().optional(), enqueued: z.int() }),
  example: {},
  every: '10 3 * * *',
  eachTenant: true,
  timeoutMs: 600_000,

  exclusive: ({ userId }, { tenant }) => (userId === undefined ? undefined : profile(tenant, userId)),
  invalidates: ({ userId }, { tenant }) => (userId === undefined ? [] : [profile(tenant, userId)]),
  announces: ({ userId }, { version }) =>
    userId === undefined || version === undefined
      ? []
      : [{ type: 'profile.updated', data: { userId, profileVersion: version } }],

  async run({ userId }, { learning, apply, enqueue, job, signal }) {
    if (userId !== undefined) {
      const draft = await learning.draftRecalculation(job.tenant, userId);
      const { version } = await apply((tx) => learning.commit(tx, job.id, draft));
      return { version, enqueued: 0 };
    }
    let enqueued = 0;
    let writers = await learning.writersAfter(job.tenant, '', PAGE);
    while (writers.length > 0) {
      for (const writer of writers) {
        signal.throwIfAborted();
        await enqueue({ job: job.name, payload: { userId: writer }, once: `${job.id} ${writer}` });
        enqueued += 1;
      }
      writers = await learning.writersAfter(job.tenant, writers.at(-1) ?? '', PAGE);
    }
    return { enqueued };
  },
});
