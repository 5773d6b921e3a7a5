/** Turn speech into text, with times, and the recording into an outline for drawing. */

import { z } from 'zod';
import { defineJob } from '../../src/queue/job.ts';

const ms = z.int().min(0);

export default defineJob({
  name: 'media.transcribe-audio',
  about: 'Turn the speech of a recording (WAV, MP3, Ogg, FLAC, MP4, WebM) into text with times; experimental offline.',
  payload: z
    .strictObject({
      fileId: z
        .string()
        .regex(/^[0-9a-f]{64}$/, 'must be the id of a file: 64 characters of 0–9 and a–f')
        .optional(),
      url: z.string().min(1).max(2048).optional(),
      /** ISO 639-1; unset: the engine finds out, or knows one only. */
      language: z
        .string()
        .regex(/^[a-z]{2}$/, 'must be two lower-case letters, such as en')
        .optional(),
    })
    .refine(
      ({ fileId, url }) => (fileId === undefined) !== (url === undefined),
      'must have a fileId or a url, not both',
    ),
  result: z.object({
    text: z.string(),
    segments: z.array(z.object({ startMs: ms, endMs: ms, text: z.string() })),
    language: z.string(),
    engine: z.enum(['pocketsphinx', 'remote', 'none']),
    durationMs: ms,
    /** At most 800 equal stretches of the recording: the loudest moment of each, 0–1. */
    peaks: z.array(z.number().min(0).max(1)).max(800),
  }),
  example: { fileId: '0'.repeat(64), language: 'en' },
  timeoutMs: 1_800_000,
  isolated: true,
  attempts: 3,

  async run({ fileId = '', url, language }, { media, fetcher, audio, speech, job, progress, signal }) {
    const source = url === undefined ? stored() : fetcher.fetch(url, { maxBytes: media.maxBytes, signal });
    const probed = (facts: object) => progress({ percent: 10, stage: 'probed', ...facts });
    return audio.decode(source, { signal, probed }, async ({ path, durationMs, peaks }) => {
      await progress({ percent: 30, stage: 'decoded', durationMs });
      const said = await speech.transcribe({ path, durationMs }, { signal, language });
      await progress({ percent: 100, stage: 'transcribed', segments: said.segments.length });
      return { ...said, segments: [...said.segments], engine: speech.engine, durationMs, peaks: [...peaks] };
    });

    /** Opened when it is read, and not left open when it is not. */
    async function* stored(): AsyncGenerator<Uint8Array> {
      const { stream } = await media.open(job.tenant, fileId, undefined, signal);
      yield* stream;
    }
  },
});
