/** A stop of the demo: a short recording, uploaded and read back, with its times and its outline. */

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Terminal } from '../terminal.ts';
import { type Api, jobAnswer } from './api.ts';

const uploadAnswer = z.object({ id: z.string(), bytes: z.number(), link: z.string() });
const transcriptAnswer = z.object({
  segments: z.array(z.object({ startMs: z.number(), endMs: z.number(), text: z.string() })),
  language: z.string(),
  engine: z.string(),
  durationMs: z.number(),
  peaks: z.array(z.number()),
});
const runAnswer = jobAnswer.extend({
  progress: z.unknown(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
});
const progress = z.object({ stage: z.string() });

/** Seconds between two looks, and how many looks: five minutes, for ffmpeg may be on its way. */
const LOOK_SECONDS = 1;
const MOST_LOOKS = 300;
const BARS = '▁▂▃▄▅▆▇█';
const WIDTH = 64;

/** Upload the recording, transcribe it and print what was heard. */
export async function playAudio(api: Api, { print, say }: Terminal): Promise<void> {
  const recording = await readFile(new URL('./spoken.mp3', import.meta.url));
  const file = await api.upload(uploadAnswer, '/v1/media', recording);
  say(`Uploaded ${file.bytes} bytes of speech (three sentences, spoken by a machine); transcribing.`);
  const request = { job: 'media.transcribe-audio', payload: { fileId: file.id } };
  const { id } = await api.call(jobAnswer, 'POST', '/v1/jobs', request);
  const run = await untilEnded(api, id, (stage) => say(`  ${stage}`));
  print('');
  print(`── speech ${'─'.repeat(54)}`);
  if (run?.state !== 'completed') {
    const why = run === undefined ? 'it takes too long; does a worker run?' : (run.error?.message ?? run.state);
    return print(`  Not transcribed: ${why}`);
  }
  const { segments, language, engine, durationMs, peaks } = transcriptAnswer.parse(run.result);
  print(`  ${(durationMs / 1000).toFixed(1)} s of ${language}, heard by ${engine}`);
  print(`  ${draw(peaks)}`);
  for (const { startMs, endMs, text } of segments) print(`  ${clock(startMs)} – ${clock(endMs)}  ${text}`);
  print(`  Listen: ${api.link(file.link)}`);
}

/** Wait until the job has ended, telling each new stage; undefined when it does not end. */
async function untilEnded(api: Api, id: string, tell: (stage: string) => void) {
  let last = '';
  for (let look = 0; look < MOST_LOOKS; look++) {
    const run = await api.call(runAnswer, 'GET', `/v1/jobs/${id}?wait=${LOOK_SECONDS}`);
    const { stage } = progress.catch({ stage: '' }).parse(run.progress);
    if (stage !== '' && stage !== last) tell(stage);
    last = stage;
    if (['completed', 'dead', 'cancelled'].includes(run.state)) return run;
  }
  return undefined;
}

/** An outline as one line of blocks, as high as the loudest moment of their stretch. */
function draw(peaks: readonly number[]): string {
  const loudest = Math.max(...peaks, 0.001);
  const width = Math.min(WIDTH, peaks.length);
  return Array.from({ length: width }, (_, place) => {
    const [from, to] = [place, place + 1].map((edge) => Math.floor((edge * peaks.length) / width));
    const peak = Math.max(0, ...peaks.slice(from, to));
    return BARS[Math.min(BARS.length - 1, Math.floor((peak / loudest) * BARS.length))] ?? ' ';
  }).join('');
}

const clock = (ms: number) => `${Math.floor(ms / 60_000)}:${((ms % 60_000) / 1000).toFixed(1).padStart(4, '0')}`;
