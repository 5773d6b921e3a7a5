/**
 * One run of a Procfile command: a child in a process group of its own, its lines handed on as they come.
 *
 * Promises: Ctrl-C in the terminal reaches it only through us; whatever it started and left behind in its group is
 * killed when it ends; it ends at the deadline, by SIGKILL if it must.
 */

import { spawn } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { childEnvironment, type Environment } from '../config.ts';
import { pause } from '../lifecycle.ts';
import type { Run } from './keeper.ts';
import { endProcess, identify, type ProcessIdentity, signal } from './processes.ts';
import { whenEnded } from './store.ts';

export interface ChildOptions {
  /** A shell command. */
  readonly command: string;
  readonly cwd: string;
  /** On top of our own variables. */
  readonly environment: Environment;
  /** Gets each line that it prints. */
  readonly onLine: (line: string) => void;
}

/** Milliseconds that the last lines of a child that has ended may take to arrive. */
const LAST_LINES_MS = 500;

/** A running child. */
export interface Child extends Run {
  readonly identity: ProcessIdentity | undefined;
}

/** Start a command. Rejects when it cannot be started at all. */
export async function startChild({ command, cwd, environment, onLine }: ChildOptions): Promise<Child> {
  const own = childEnvironment(environment);
  // The shell becomes the command, so that a signal to the child reaches it. The command's `node` is ours.
  const child = spawn('/bin/sh', ['-c', `exec ${command}`], {
    cwd,
    detached: true,
    env: { ...own, PATH: `${dirname(process.execPath)}${delimiter}${own.PATH ?? ''}` },
    // The channel breaks when we are gone, even by kill -9: the child hears "disconnect" and stops.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const { pid, stdout, stderr } = child;
  const ended = whenEnded(child);
  const closed = new Promise((resolve) => child.once('close', resolve));
  if (pid === undefined) throw new Error(await ended);
  for (const stream of [stdout, stderr]) {
    if (stream !== null) createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', onLine);
  }
  const over = ended.then(async (reason) => {
    // What it forked and did not take along would go on without anybody to stop it.
    signal(pid, 'SIGKILL', true);
    await Promise.race([closed, pause(LAST_LINES_MS)]);
    return reason;
  });
  return {
    pid,
    identity: identify(pid),
    ended: over,
    stop: async (deadline) => {
      await endProcess(pid, 'SIGTERM', deadline);
      await over;
    },
    kill: () => void signal(pid, 'SIGKILL', true),
  };
}
