/** Every minute: enqueue gathered requests again whose wake-up was lost, as when a process died between row and queue. */

import { z } from 'zod';
import { defineJob } from '../../src/queue/job.ts';

/** Milliseconds past its time at which a request counts as forgotten. */
const GRACE_MS = 30_000;

export default defineJob({
  name: 'cleanup.wake-overdue',
  about: 'Enqueue gathered requests again that are open beyond their time.',
  payload: z.strictObject({}),
  result: z.object({ woken: z.int() }),
  example: {},
  every: 60_000,
  attempts: 1,
  expiresMs: 120_000,

  async run(_payload, { wakeOverdue }) {
    return { woken: await wakeOverdue(GRACE_MS) };
  },
});
