/**
 * Programs of this machine that a feature can do without: where they are, and what to install when they are not.
 *
 * Promises: a program is looked for each time, so that one that was installed meanwhile is found; nothing is installed
 * here (`npm start` does that, in the background). While it does, asking for a program that is still missing is a
 * `Snooze`: later, no attempt spent. Else it is `program-missing`, with the line to type.
 */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, Snooze } from '../errors.ts';
import { findProgram, isFile } from './search-path.ts';

/** A program and the packages that bring it. */
export interface ProgramSource {
  /** What a person calls it. */
  readonly name: string;
  /** Names on PATH; the first one found serves. */
  readonly programs: readonly [string, ...string[]];
  /** Files without which it is of no use, such as a model. */
  readonly files?: readonly string[];
  /** Debian and Ubuntu packages, apart by spaces. */
  readonly debian: string;
  /** The line to type on Fedora and its kin. */
  readonly dnf: string;
  /** What follows `brew install`; unset: Homebrew has none that serves. */
  readonly brew?: string;
  /** Last line of the screen: what else would do. */
  readonly instead: string;
}

/** Decodes sound. Its package brings ffprobe too. */
export const FFMPEG = {
  name: 'ffmpeg',
  programs: ['ffmpeg'],
  debian: 'ffmpeg',
  dnf: 'sudo dnf install -y ffmpeg-free',
  brew: 'ffmpeg',
  instead: 'Without it media.transcribe-audio fails with program-missing; all else works.',
} as const satisfies ProgramSource;

/** Tells what is in a recording before it is decoded. */
export const FFPROBE = { ...FFMPEG, name: 'ffprobe', programs: ['ffprobe'] } as const satisfies ProgramSource;

/** The folder of pocketsphinx's English model, as its Debian package lays it. */
export const ENGLISH_MODEL = '/usr/share/pocketsphinx/model/en-us';

/** Basic offline English. Version 5 has no such program: what Homebrew brings does not serve. */
export const POCKETSPHINX = {
  name: 'pocketsphinx',
  programs: ['pocketsphinx_continuous'],
  files: [`${ENGLISH_MODEL}/en-us/mdef`, `${ENGLISH_MODEL}/en-us.lm.bin`, `${ENGLISH_MODEL}/cmudict-en-us.dict`],
  debian: 'pocketsphinx pocketsphinx-en-us',
  dnf: 'sudo dnf install -y pocketsphinx pocketsphinx-models',
  instead: 'Or set SPEECH_URL to a service that speaks the OpenAI transcription protocol.',
} as const satisfies ProgramSource;

/** In DATA_DIR while `npm start` installs programs. */
export const INSTALLING_FILE = 'installing';

/** Milliseconds after which nobody installs any more, whatever the file says: two packages, five minutes each. */
const INSTALLING_MS = 600_000;
const LATER_MS = 5000;

/** Where a program is, on PATH or in `more` folders; undefined when it, or a file that it needs, is not there. */
export async function locate(
  { programs, files = [] }: ProgramSource,
  more: readonly string[] = [],
): Promise<string | undefined> {
  const there = await Promise.all(files.map(isFile));
  return there.includes(false) ? undefined : findProgram(programs, more);
}

export class Programs {
  readonly #installingFile: string;

  /** `dataDir`: DATA_DIR, where `npm start` says that it installs. */
  constructor({ dataDir }: { readonly dataDir: string }) {
    this.#installingFile = join(dataDir, INSTALLING_FILE);
  }

  /** The absolute path of the program. Throws `Snooze` while it is being installed, else `program-missing`. */
  async need(source: ProgramSource): Promise<string> {
    const found = await locate(source);
    if (found !== undefined) return found;
    if (await this.installing()) throw new Snooze(LATER_MS, `${source.name} is being installed.`);
    throw new AppError('program-missing', whatToInstall(source));
  }

  /** Are programs being installed just now? */
  async installing(): Promise<boolean> {
    const file = await stat(this.#installingFile).catch(() => undefined);
    return file !== undefined && Date.now() - file.mtimeMs < INSTALLING_MS;
  }
}

/** One line: what is missing, and what to type. */
export function whatToInstall({ name, debian, brew, instead }: ProgramSource): string {
  const other = brew === undefined ? '' : `, or brew install ${brew}`;
  return `${name} is missing here. Install it: apt-get install ${debian}${other}. ${instead}`;
}
