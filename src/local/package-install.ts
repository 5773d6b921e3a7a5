/**
 * Install a system package without a person: apt-get as root or with a sudo that asks nothing, else Homebrew.
 *
 * Promises: a package's service is not started (a policy-rc.d of ours says no while we install, and goes with us); both
 * give up after five minutes; an installation outlives us rather than break off in the middle; nothing is changed on a
 * system that has neither.
 */

import { execFile, type StdioOptions, spawn } from 'node:child_process';
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { childEnvironment } from '../config.ts';
import { within } from '../lifecycle.ts';
import { findProgram, isFile } from '../providers/search-path.ts';
import { isRoot } from './postgres-user.ts';
import { signal } from './processes.ts';
import { whenEnded } from './store.ts';

const run = promisify(execFile);

const INSTALL_MS = 300_000;
/** How much of what it printed is looked at when it failed. */
const SHOWN_BYTES = 8192;

/**
 * The guard names the shell that made it and says nothing once that is gone, so even one that is left behind by a
 * kill is harmless. Package lists may be missing or old (a fresh container): they are fetched when the first try fails.
 */
const APT_SCRIPT = `
set -eu
guard=/usr/sbin/policy-rc.d
if [ ! -e "$guard" ]; then
  trap 'rm -f "$guard"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\\nkill -0 %s 2>/dev/null && exit 101\\nexit 0\\n' "$$" >"$guard"
  chmod 755 "$guard"
fi
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
install() { apt-get -o DPkg::Lock::Timeout=120 -y --no-install-recommends install "$@"; }
install "$@" || { apt-get update && install "$@"; }
`;

/** The packages that bring a program. */
export interface PackageNames {
  /** Debian and Ubuntu packages, apart by spaces. */
  readonly debian: string;
  /** What follows `brew install`; unset: Homebrew has none that serves. */
  readonly brew?: string;
}

/** Install with apt-get where there is one, else with Homebrew. Why it could not; undefined when it did. */
export async function installPackage(names: PackageNames, say: (line: string) => void): Promise<string | undefined> {
  if ((await isFile('/etc/debian_version')) && (await findProgram(['apt-get'])) !== undefined) {
    if (!isRoot() && !(await sudoAsksNothing())) return 'Installing it needs root, and sudo asks for a password.';
    say(`Installing the package ${names.debian} with apt-get …`);
    const command = ['sh', '-c', APT_SCRIPT, 'install', ...names.debian.split(' ')];
    return attempt(isRoot() ? command : ['sudo', '-n', ...command]);
  }
  if (names.brew === undefined || (await findProgram(['brew'])) === undefined) return undefined;
  say(`Installing ${names.brew} with Homebrew …`);
  return attempt(['brew', 'install', ...names.brew.split(' ')]);
}

async function sudoAsksNothing(): Promise<boolean> {
  if ((await findProgram(['sudo'])) === undefined) return false;
  return run('sudo', ['-n', 'true'], { timeout: 5000 }).then(
    () => true,
    () => false,
  );
}

/** Run it to its end. It is in a group of its own and needs nothing of us: when we end before it does, it goes on. */
async function attempt(command: readonly string[]): Promise<string | undefined> {
  const [program = '', ...args] = command;
  const folder = await mkdtemp(join(tmpdir(), 'millrace-install-'));
  const printed = await open(join(folder, 'output'), 'w+');
  // Gone by name, and there as long as somebody has it open.
  await rm(folder, { recursive: true });
  try {
    const stdio: StdioOptions = ['ignore', printed.fd, printed.fd];
    const child = spawn(program, args, { detached: true, stdio, env: childEnvironment({}) });
    const ended = await within(INSTALL_MS, whenEnded(child), () => new Error('it took longer than five minutes')).catch(
      (error: Error) => {
        if (child.pid !== undefined) signal(child.pid, 'SIGKILL', true);
        return error.message;
      },
    );
    if (ended === 'exit code 0') return undefined;
    return `Installing failed (${ended}):\n\n${await lastPart(printed)}`;
  } finally {
    await printed.close();
  }
}

async function lastPart(file: FileHandle): Promise<string> {
  const { size } = await file.stat();
  const start = Math.max(0, size - SHOWN_BYTES);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(SHOWN_BYTES), 0, SHOWN_BYTES, start);
  return buffer.toString('utf8', 0, bytesRead).trimEnd().split('\n').slice(-8).join('\n');
}
