/**
 * Programs that npm cannot bring: find them on PATH, or install their Debian or Homebrew package.
 *
 * Promises: it says what it installs before it does; it never asks for a password; the package does not start a service
 * of its own; with `install: 'never'`, or where it may not install, it throws the one screen that says how to.
 */

import { locate, type ProgramSource } from '../providers/programs.ts';
import { installPackage } from './package-install.ts';

export const REDIS_SERVER = {
  name: 'Redis',
  programs: ['redis-server', 'valkey-server'],
  debian: 'redis-server',
  dnf: 'sudo dnf install -y redis || sudo dnf install -y valkey',
  brew: 'redis',
  instead: 'Or set REDIS_URL and REDIS_CACHE_URL to servers that run already.',
} as const satisfies ProgramSource;

/** A program is missing and was not installed. The message is one screen: what to type on which system. */
export class MissingProgramError extends Error {
  override readonly name = 'MissingProgramError';

  constructor({ name, programs, debian, dnf, brew, instead }: ProgramSource, why?: string) {
    super(
      [
        `${name} is missing: there is no ${programs.join(' or ')} on PATH.${why === undefined ? '' : ` ${why}`}`,
        '',
        `  Debian, Ubuntu   sudo apt-get update && sudo apt-get install -y ${debian}`,
        `  Fedora, RHEL     ${dnf}`,
        ...(brew === undefined ? [] : [`  macOS            brew install ${brew}`]),
        '  Docker           docker compose up   (brings everything; see docker-compose.yml)',
        '',
        instead,
      ].join('\n'),
    );
  }
}

export interface EnsureOptions {
  /** `auto`: install what is missing when that needs no password. `never`: throw. */
  readonly install: 'auto' | 'never';
  /** Gets one line before something is installed. */
  readonly say: (line: string) => void;
}

/** The absolute path of the program, installed first if need be. Throws `MissingProgramError`. */
export async function ensureProgram(source: ProgramSource, { install, say }: EnsureOptions): Promise<string> {
  const found = await locate(source);
  if (found !== undefined) return found;
  if (install === 'never') throw new MissingProgramError(source, 'MILLRACE_INSTALL=never, so it is not installed.');
  const failure = await installPackage(source, say);
  const installed = await locate(source, ['/usr/bin', '/usr/sbin']);
  if (installed !== undefined) return installed;
  throw new MissingProgramError(source, failure);
}
