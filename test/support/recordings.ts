/** Recordings for the tests: spoken by flite, encoded by ffmpeg, which are installed first where that needs no password. */

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../../src/errors.ts';
import { ensureProgram } from '../../src/local/programs.ts';
import { FFMPEG, POCKETSPHINX, type ProgramSource } from '../../src/providers/programs.ts';

const run = promisify(execFile);

const FLITE = {
  name: 'flite',
  programs: ['flite'],
  debian: 'flite',
  dnf: 'sudo dnf install -y flite',
  brew: 'flite',
  instead: 'Only the tests speak: nothing else needs it.',
} as const satisfies ProgramSource;

/** Milliseconds that installing may take: give it to `beforeAll`. */
export const INSTALL_MS = 300_000;

/** Words that pocketsphinx was seen to hear when flite's voice rms says them; many others it does not. */
export const SENTENCE = 'the weather is very nice today and we will go out';

/** Find or install what recordings are made and heard with; where it cannot be had, why. In CI (`CI` is set) that is an error. */
export async function missingSpeechPrograms(): Promise<string> {
  try {
    for (const source of [FFMPEG, POCKETSPHINX, FLITE]) {
      await ensureProgram(source, { install: 'auto', say: console.error });
    }
    return '';
  } catch (error) {
    if (process.env.CI) throw error;
    return messageOf(error);
  }
}

/** A folder of recordings, removed by `remove`. */
export class Recordings {
  readonly folder = mkdtempSync(join(tmpdir(), 'millrace-recordings-'));

  /** Path of a file in the folder. */
  path(name: string): string {
    return join(this.folder, name);
  }

  /** Speak a sentence into a WAV file. */
  async speak(sentence: string, name = 'spoken.wav'): Promise<string> {
    await run('flite', ['-voice', 'rms', '-t', sentence, '-o', this.path(name)]);
    return this.path(name);
  }

  /** Let ffmpeg write `name`; `args` say from what. */
  async make(name: string, ...args: string[]): Promise<string> {
    await run('ffmpeg', ['-nostdin', '-v', 'error', '-y', ...args, this.path(name)]);
    return this.path(name);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** How many words of `said` have to be put in, taken out or changed to make it `heard`. */
export function wordErrors(said: string, heard: string): number {
  const [from, to] = [said, heard].map((text) => text.toLowerCase().match(/[a-z']+/g) ?? []);
  let row = Array.from({ length: (to ?? []).length + 1 }, (_, index) => index);
  for (const [index, word] of (from ?? []).entries()) {
    let left = index + 1;
    row = row.map((above, place) => {
      if (place === 0) return left;
      const changed = (row[place - 1] ?? 0) + (word === to?.[place - 1] ? 0 : 1);
      left = Math.min(above + 1, left + 1, changed);
      return left;
    });
  }
  return row.at(-1) ?? 0;
}
