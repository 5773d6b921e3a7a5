/**
 * Programs that one feature needs and the rest does not: `npm start` installs them in the background, once it is ready.
 *
 * Promises: the start neither waits for them nor fails without them; `MILLRACE_INSTALL=never` is respected, no password
 * is asked for, no service started. While it installs, a mark in the data folder lets jobs that need them wait
 * (`src/providers/programs.ts`). What could not be installed is said in one line, with what to type. An installation
 * under way goes on to its end when we stop: half a package is worse than none.
 */

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LocalConfig } from '../config.ts';
import {
  FFMPEG,
  FFPROBE,
  INSTALLING_FILE,
  locate,
  POCKETSPHINX,
  type ProgramSource,
  whatToInstall,
} from '../providers/programs.ts';
import { installPackage } from './package-install.ts';
import type { PlannedProcess } from './procfile.ts';

export interface OptionalProgramsOptions {
  readonly config: Pick<LocalConfig, 'MILLRACE_INSTALL' | 'SPEECH_URL' | 'SPEECH_OFFLINE'>;
  /** What `npm start` runs: nothing is installed that none of it uses. */
  readonly plan: readonly Pick<PlannedProcess, 'command'>[];
  readonly dataDir: string;
  readonly say: (line: string) => void;
  /** Installs packages; why it could not, or undefined. The system's package manager unless told. */
  readonly install?: typeof installPackage;
}

/** A command that works on every queue, or names `media`. */
const SERVES_MEDIA = /workers\/main[.]js(?:\s*$|\s.*\bmedia\b)/;

export class OptionalPrograms {
  readonly #options: OptionalProgramsOptions;
  readonly #mark: string;

  constructor(options: OptionalProgramsOptions) {
    this.#options = options;
    this.#mark = join(options.dataDir, INSTALLING_FILE);
  }

  /** Find what is missing and set the mark if it will be installed; call before the workers start. */
  async look(): Promise<readonly ProgramSource[]> {
    const { config, plan } = this.#options;
    const wanted = plan.some(({ command }) => SERVES_MEDIA.test(command)) ? wantedBy(config) : [];
    const found = await Promise.all(wanted.map((source) => locate(source)));
    const missing = wanted.filter((_source, index) => found[index] === undefined);
    if (missing.length > 0 && config.MILLRACE_INSTALL === 'auto') await writeFile(this.#mark, '');
    else await rm(this.#mark, { force: true });
    return missing;
  }

  /** Install what is missing. Never rejects: a feature that stays away is said, and says so itself. */
  async install(missing: readonly ProgramSource[]): Promise<void> {
    const { config, say, install = installPackage } = this.#options;
    if (missing.length === 0) return;
    try {
      const never = 'MILLRACE_INSTALL=never.';
      const why = config.MILLRACE_INSTALL === 'never' ? never : await install(packagesOf(missing), say);
      const still = await Promise.all(missing.map(async (source) => ((await locate(source)) ? [] : [source])));
      for (const source of still.flat()) say([whatToInstall(source), firstLine(why)].join(' ').trim());
      if (still.flat().length === 0) say(`Installed: ${missing.map(({ name }) => name).join(', ')}.`);
    } finally {
      await rm(this.#mark, { force: true });
    }
  }
}

function wantedBy({ SPEECH_URL, SPEECH_OFFLINE }: OptionalProgramsOptions['config']): ProgramSource[] {
  const offline = SPEECH_URL === undefined && SPEECH_OFFLINE === 'on';
  return [FFMPEG, FFPROBE, ...(offline ? [POCKETSPHINX] : [])];
}

/** All in one go; ffmpeg and ffprobe share a package. */
function packagesOf(sources: readonly ProgramSource[]): { debian: string; brew?: string } {
  const debian = [...new Set(sources.map((source) => source.debian))].join(' ');
  const brew = [...new Set(sources.flatMap((source) => source.brew ?? []))].join(' ');
  return brew === '' ? { debian } : { debian, brew };
}

const firstLine = (text = '') => text.split('\n')[0] ?? '';
