/**
 * Basic offline English: pocketsphinx 0.8 with the model of its Debian package, as a program of its own.
 *
 * It hears clear speech of one person and little else: about one word in thirty wrong on synthetic speech, far more on
 * a telephone or with noise. It knows no other language, which is said and not tried. Runs in bounds
 * (`bounded-program.ts`); on one core it takes a fifth to all of the time that the speaking took.
 */

import { basename, dirname } from 'node:path';
import { AppError } from '../errors.ts';
import { type Ended, runBounded } from './bounded-program.ts';
import { ENGLISH_MODEL, POCKETSPHINX, type Programs } from './programs.ts';
import type { Segment, Speech, TranscribeOptions, Transcript } from './speech.ts';

const MODEL = [
  ...['-hmm', `${ENGLISH_MODEL}/en-us`],
  ...['-lm', `${ENGLISH_MODEL}/en-us.lm.bin`],
  ...['-dict', `${ENGLISH_MODEL}/cmudict-en-us.dict`],
];
const BOUNDS = { memoryBytes: 1_500_000_000, outputBytes: 4_000_000, fileBytes: 0 };
/** Times the length of the recording that it may take, and seconds on top for loading its model. */
const PACE = 5;
const LOADING_SECONDS = 30;

export class PocketsphinxSpeech implements Speech {
  readonly engine = 'pocketsphinx';
  readonly #programs: Programs;

  constructor({ programs }: { readonly programs: Programs }) {
    this.#programs = programs;
  }

  async transcribe(sound: { path: string; durationMs: number }, options: TranscribeOptions): Promise<Transcript> {
    const { language = 'en', signal } = options;
    if (language !== 'en') {
      throw new AppError('work-refused', `The offline engine knows English only, not ${language}: set SPEECH_URL.`);
    }
    const program = await this.#programs.need(POCKETSPHINX);
    const seconds = LOADING_SECONDS + Math.ceil((sound.durationMs / 1000) * PACE);
    const ended = await runBounded({
      program,
      args: ['-infile', basename(sound.path), '-time', 'yes', ...MODEL],
      cwd: dirname(sound.path),
      signal,
      timeoutMs: seconds * 1000,
      cpuSeconds: seconds,
      ...BOUNDS,
    });
    refuseFailure(ended);
    const segments = segmentsOf(ended.stdout);
    return { text: segments.map(({ text }) => text).join(' '), segments, language: 'en' };
  }
}

function refuseFailure({ how, code, killedBy }: Ended): void {
  if (how === 'exit' && code === 0) return;
  const why = how === 'exit' ? `exit code ${code}` : how === 'signal' ? `signal ${killedBy}` : 'it took too long';
  throw new AppError('provider-failed', `pocketsphinx ended without an answer: ${why}.`);
}

/** `word 0.130 0.390 0.99`: a word with its start, end (seconds) and likelihood. */
const WORD = /^(\S+) (\d+\.\d+) (\d+\.\d+) \d+\.\d+$/;
/** `<s>`, `<sil>`, `[NOISE]`, `++UH++`: not words. */
const NOT_A_WORD = /^[<[+]/;

/** Utterances of its output: a line of text, then a line for each word. `today(2)` is another way to say `today`. */
export function segmentsOf(output: string): Segment[] {
  const found: { words: string[]; startMs: number; endMs: number }[] = [];
  for (const line of output.split('\n')) {
    const [, word, start, end] = WORD.exec(line.trim()) ?? [];
    if (word === undefined) {
      found.push({ words: [], startMs: 0, endMs: 0 });
      continue;
    }
    const current = found.at(-1);
    if (current === undefined || NOT_A_WORD.test(word)) continue;
    if (current.words.length === 0) current.startMs = toMs(start);
    current.endMs = toMs(end);
    current.words.push(word.replace(/\(\d+\)$/, ''));
  }
  return found
    .filter(({ words }) => words.length > 0)
    .map(({ words, startMs, endMs }) => ({ startMs, endMs, text: words.join(' ') }));
}

const toMs = (seconds = '0') => Math.round(Number(seconds) * 1000);
