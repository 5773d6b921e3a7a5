/** What ffprobe said of a recording, read. Pure. */

import { z } from 'zod';
import { AppError } from '../errors.ts';

/** Seconds as ffprobe prints them. */
const seconds = z.coerce.number().positive().optional().catch(undefined);

const answer = z.object({
  streams: z.array(z.object({ codec_type: z.string().optional(), duration: seconds })).default([]),
  format: z.object({ duration: seconds, nb_streams: z.int().default(0) }).optional(),
});

/** ffprobe says so when it has only multiplied the size by the bit rate. */
const ESTIMATED = /Estimating duration/;

/**
 * How long the sound says that it is, in milliseconds; undefined when nothing says so for certain. Throws
 * `audio-unreadable` when there is no sound.
 */
export function claimedLength({ stdout, stderr }: { stdout: string; stderr: string }): number | undefined {
  const { streams, format } = read(stdout);
  const sound = streams.find(({ codec_type: type }) => type === 'audio');
  if (sound === undefined) throw new AppError('audio-unreadable', 'There is no sound in the file.');
  if (ESTIMATED.test(stderr)) return undefined;
  // The length of a film is not that of its sound.
  const claimed = sound.duration ?? (format?.nb_streams === 1 ? format.duration : undefined);
  return claimed === undefined ? undefined : Math.round(claimed * 1000);
}

function read(stdout: string): z.output<typeof answer> {
  try {
    return answer.parse(JSON.parse(stdout));
  } catch (error) {
    throw new AppError('audio-unreadable', 'The file cannot be read as a recording.', { cause: error });
  }
}
