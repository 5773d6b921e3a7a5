/**
 * Speech to text: the port. `speech-remote.ts` asks a service, `speech-pocketsphinx.ts` a program of this machine;
 * `speech-choice.ts` chooses.
 *
 * What every implementation promises: it never invents text; it ends with the signal; what is missing says what to set
 * or to install. `later` errors (a busy service, a program being installed) spend no attempt.
 */

import type { Sound } from './audio.ts';

/** A stretch of what was said. */
export interface Segment {
  readonly startMs: number;
  readonly endMs: number;
  readonly text: string;
}

export interface Transcript {
  /** All of it; empty when nothing was said. */
  readonly text: string;
  /** In order; empty when nothing was said. */
  readonly segments: readonly Segment[];
  /** As the engine tells it, or as it was asked for: `en`, `english`. */
  readonly language: string;
}

export interface TranscribeOptions {
  /** Aborts with the reason to throw. */
  readonly signal: AbortSignal;
  /** ISO 639-1 code of what is spoken; undefined: the engine finds out, or knows one only. */
  readonly language?: string | undefined;
}

export interface Speech {
  readonly engine: 'pocketsphinx' | 'remote' | 'none';
  /** What is said in it. The sound has at most an hour. */
  transcribe(sound: Pick<Sound, 'path' | 'durationMs'>, options: TranscribeOptions): Promise<Transcript>;
}
