/**
 * Recordings made readable for speech recognition: somebody's file in, 16 kHz mono samples and an outline out.
 *
 * Promises: the kind is told from the first bytes and ffmpeg is made to read it as that kind and no other, from one local
 * file, without playlists and without the network; each program runs in bounds (`bounded-program.ts`) and dies with the
 * attempt; what lies on disk lies in a private folder that is removed whatever happens (after a kill -9 by
 * `removeExpired`). A file that cannot be read is `audio-unreadable`, a longer one than allowed `audio-too-long`, a
 * machine without ffmpeg `program-missing`.
 */

import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { AppError } from '../errors.ts';
import type { Removal, RemovalRun } from '../removal.ts';
import { type AudioFormat, CODECS, DEMUXERS, SNIFFED_BYTES, sniffAudio } from './audio-formats.ts';
import { FOLDER_PREFIX, sweepFolders } from './audio-leftovers.ts';
import { claimedLength } from './audio-probe.ts';
import { refuseEnding } from './audio-refusals.ts';
import { type BoundedRun, runBounded } from './bounded-program.ts';
import { FFMPEG, FFPROBE, type Programs } from './programs.ts';
import { Waveform } from './waveform.ts';

/** Samples a second of what comes out, one channel, 16 bits, little end first. */
export const SAMPLE_RATE = 16_000;
const BYTES_PER_SECOND = SAMPLE_RATE * 2;

/** What is known before anything is decoded. */
export interface Probed {
  readonly format: AudioFormat;
  /** Milliseconds, as the file claims; absent when it does not say. */
  readonly durationMs?: number;
}

/** A decoded recording; it is there while `use` runs. */
export interface Sound {
  /** File of the samples. */
  readonly path: string;
  readonly durationMs: number;
  /** The outline: at most 800 values 0–1, each the loudest moment of its stretch. */
  readonly peaks: readonly number[];
}

export interface DecodeOptions {
  /** Aborts with the reason to throw. */
  readonly signal: AbortSignal;
  /** Told once the file has been looked at. */
  probed?(facts: Probed): Promise<void>;
}

export interface AudioOptions {
  readonly programs: Programs;
  /** The longest recording that is read. */
  readonly maxSeconds: number;
  /** Parent of the private folders; the system's for temporary files unless told. */
  readonly folder?: string;
}

const PROBE_MS = 20_000;
const DECODE_MS = 180_000;
const BOUNDS = { memoryBytes: 1_000_000_000, outputBytes: 65_536 };
const INPUT = 'input';
const OUTPUT = 'sound.pcm';
/** What keeps ffmpeg and ffprobe to the one file. */
const LOCAL_ONLY = ['-protocol_whitelist', 'file,pipe', '-threads', '1'];
/** A recording may be this much shorter than it claims: encoders pad, and count the padding. */
const SLACK_MS = 500;
const SLACK_SHARE = 0.02;

export class Audio {
  readonly #programs: Programs;
  readonly #maxSeconds: number;
  readonly #parent: string;

  constructor({ programs, maxSeconds, folder = tmpdir() }: AudioOptions) {
    this.#programs = programs;
    this.#maxSeconds = maxSeconds;
    this.#parent = folder;
  }

  /** Decode a recording, let `use` have it, and leave nothing behind. */
  async decode<T>(
    source: AsyncIterable<Uint8Array>,
    { signal, probed }: DecodeOptions,
    use: (sound: Sound) => Promise<T>,
  ): Promise<T> {
    const [ffmpeg, ffprobe] = await Promise.all([this.#programs.need(FFMPEG), this.#programs.need(FFPROBE)]);
    const folder = await mkdtemp(join(this.#parent, FOLDER_PREFIX));
    try {
      await pipeline(source, createWriteStream(join(folder, INPUT), { mode: 0o600 }), { signal });
      const format = await formatOf(join(folder, INPUT));
      const claimedMs = await this.#probe(ffprobe, format, { cwd: folder, signal });
      await probed?.({ format, ...(claimedMs !== undefined && { durationMs: claimedMs }) });
      const durationMs = await this.#run(ffmpeg, format, { cwd: folder, signal });
      refuseCutOff(durationMs, claimedMs);
      const path = join(folder, OUTPUT);
      return await use({ path, durationMs, peaks: await outline(path) });
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Remove what killed processes have left, in batches. */
  removeExpired(run: RemovalRun): Promise<Removal> {
    return sweepFolders(this.#parent, run);
  }

  /** How long the recording says that it is, in milliseconds; undefined when it does not. */
  async #probe(program: string, format: AudioFormat, where: Pick<BoundedRun, 'cwd' | 'signal'>) {
    const show = ['-show_entries', 'format=duration,nb_streams:stream=codec_type,duration', '-of', 'json'];
    const args = ['-v', 'warning', ...LOCAL_ONLY, '-f', DEMUXERS[format], ...show, `file:${INPUT}`];
    const bounds = { ...BOUNDS, timeoutMs: PROBE_MS, cpuSeconds: 10, fileBytes: 0 };
    const ended = await runBounded({ program, args, ...where, ...bounds });
    refuseEnding(ended);
    const claimedMs = claimedLength(ended);
    if (claimedMs !== undefined) this.#refuseLong(claimedMs);
    return claimedMs;
  }

  /** Decode; the length of what came out, in milliseconds. */
  async #run(program: string, format: AudioFormat, where: Pick<BoundedRun, 'cwd' | 'signal'>): Promise<number> {
    // A second more than is allowed tells a recording that is too long from one that just fits.
    const seconds = this.#maxSeconds + 1;
    const fileBytes = (seconds + 1) * BYTES_PER_SECOND;
    const args = [
      ...['-nostdin', '-hide_banner', '-v', 'error', ...LOCAL_ONLY, '-codec_whitelist', CODECS],
      ...['-f', DEMUXERS[format], '-i', `file:${INPUT}`],
      ...['-map', '0:a:0', '-vn', '-sn', '-dn', '-map_metadata', '-1', '-t', String(seconds)],
      ...['-ac', '1', '-ar', String(SAMPLE_RATE), '-f', 's16le', '-fs', String(fileBytes), '-y', `file:${OUTPUT}`],
    ];
    const bounds = { ...BOUNDS, timeoutMs: DECODE_MS, cpuSeconds: 30 + Math.ceil(seconds / 10), fileBytes };
    refuseEnding(await runBounded({ program, args, ...where, ...bounds }));
    const { size } = await stat(join(where.cwd, OUTPUT));
    if (size < 2) throw new AppError('audio-unreadable', 'There is no sound in the file.');
    const durationMs = Math.round((size / BYTES_PER_SECOND) * 1000);
    this.#refuseLong(durationMs);
    return durationMs;
  }

  #refuseLong(durationMs: number): void {
    if (durationMs <= this.#maxSeconds * 1000) return;
    throw new AppError('audio-too-long', `The recording is longer than ${this.#maxSeconds} s (AUDIO_MAX_SECONDS).`);
  }
}

async function formatOf(path: string): Promise<AudioFormat> {
  const handle = await open(path);
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(SNIFFED_BYTES), 0, SNIFFED_BYTES, 0);
    if (bytesRead === 0) throw new AppError('audio-unreadable', 'The file is empty.');
    const format = sniffAudio(buffer.subarray(0, bytesRead));
    if (format !== undefined) return format;
  } finally {
    await handle.close();
  }
  const kinds = 'WAV, MP3, Ogg, FLAC, MP4 or WebM';
  throw new AppError('audio-unreadable', `By its first bytes the file is no recording of these kinds: ${kinds}.`);
}

/** A file that was cut on its way is refused, where it says how long it should be. */
function refuseCutOff(durationMs: number, claimedMs: number | undefined): void {
  if (claimedMs === undefined || durationMs >= claimedMs * (1 - SLACK_SHARE) - SLACK_MS) return;
  const told = `${(claimedMs / 1000).toFixed(1)} s`;
  throw new AppError('audio-unreadable', `Only ${(durationMs / 1000).toFixed(1)} s of ${told} can be decoded.`);
}

async function outline(path: string): Promise<number[]> {
  const { size } = await stat(path);
  const waveform = new Waveform(Math.floor(size / 2));
  for await (const chunk of createReadStream(path)) waveform.add(chunk);
  return waveform.peaks;
}
