/** A stop of the demo: a picture is uploaded and made smaller, and each variant has a link to look at. */

import { z } from 'zod';
import { AppError } from '../../errors.ts';
import type { Terminal } from '../terminal.ts';
import { type Api, jobAnswer } from './api.ts';
import { sunset } from './sunset.ts';

/** Seconds between two looks, and looks until the demo gives up. */
const LOOK_SECONDS = 0.5;
const MOST_LOOKS = 240;

const fileAnswer = z.object({ id: z.string(), bytes: z.number(), type: z.string(), link: z.string() });
const progress = z.object({ percent: z.number(), variant: z.string(), format: z.string() });
const runningAnswer = jobAnswer.extend({ progress: z.unknown(), error: z.unknown().optional() });
const resized = z.object({
  width: z.number(),
  height: z.number(),
  colour: z.string(),
  blurhash: z.string(),
  variants: z.array(
    z.object({
      variant: z.string(),
      format: z.string(),
      fileId: z.string(),
      width: z.number(),
      height: z.number(),
      bytes: z.number(),
    }),
  ),
});

/** Upload a picture, resize it, and show what came of it. */
export async function playMedia(api: Api, { print, say }: Terminal): Promise<void> {
  say('Uploading a picture, and making it smaller.');
  const original = await api.upload(fileAnswer, '/v1/media', sunset());
  const payload = { fileId: original.id };
  const { id } = await api.call(jobAnswer, 'POST', '/v1/jobs', { job: 'media.resize-image', payload });
  const picture = resized.parse(await followed(api, id, say));

  print('');
  print(`── a picture of ${picture.width} × ${picture.height} ${'─'.repeat(40)}`);
  print(`  ${'colour'.padEnd(18)}${picture.colour}`);
  print(`  ${'blurhash'.padEnd(18)}${picture.blurhash}`);
  print(`  ${'original'.padEnd(18)}${original.type}, ${original.bytes} bytes: ${api.link(original.link)}`);
  for (const { variant, format, fileId, width, height, bytes } of picture.variants) {
    const { link } = await api.call(fileAnswer, 'GET', `/v1/media/${fileId}`);
    print(`  ${`${variant} ${format}`.padEnd(18)}${width} × ${height}, ${bytes} bytes: ${api.link(link)}`);
  }
}

/** Say how far the job is until it has completed; its result. Throws `work-refused` when it ends in another way. */
async function followed(api: Api, id: string, say: Terminal['say']): Promise<unknown> {
  let said = '';
  for (let look = 0; look < MOST_LOOKS; look++) {
    const job = await api.call(runningAnswer, 'GET', `/v1/jobs/${id}?wait=${LOOK_SECONDS}`);
    const { data: at } = progress.safeParse(job.progress);
    const line = at === undefined ? '' : `  ${String(at.percent).padStart(3)} %  ${at.variant} ${at.format}`;
    if (line !== said) say(line);
    said = line;
    if (job.state === 'completed') return job.result;
    if (job.state === 'dead' || job.state === 'cancelled') {
      throw new AppError('work-refused', `Job ${id} is ${job.state}: ${JSON.stringify(job.error)}`);
    }
  }
  throw new AppError('work-refused', `Job ${id} did not finish within two minutes. Does a worker run?`);
}
