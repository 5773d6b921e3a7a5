/** As `no-op`, and tells its parent process how long each job was on its way: microseconds from `at` to the start. */

import { z } from 'zod';
import { defineJob, id, text } from '../../../../src/queue/job.ts';

/** Milliseconds between two reports to the parent. */
const REPORT_MS = 100;

let delaysUs: number[] = [];

function report(): void {
  process.send?.({ delaysUs });
  delaysUs = [];
}

export default defineJob({
  name: 'learning.timed',
  about: 'Tell how long the job was on its way.',
  payload: z.strictObject({ at: z.int(), userId: id, contentId: id, text, tone: z.enum(['plain', 'warm']) }),
  result: z.object({}),
  example: { at: 1, userId: 'writer', contentId: 'content', text: 'A text.', tone: 'plain' },

  async run({ at }) {
    const nowUs = Number(process.hrtime.bigint() / 1000n);
    if (delaysUs.length === 0) setTimeout(report, REPORT_MS);
    delaysUs.push(nowUs - at);
    return {};
  },
});
