/**
 * Processes of this machine, by number: is it running, is it still the one we started, make it end.
 *
 * Promises: a number that the system has given to another program since is never taken for ours (`mark` tells them
 * apart), and ending a process never takes longer than its deadline: what ignores the polite signal is killed.
 */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { hasCode } from '../errors.ts';
import { Deadline, pause } from '../lifecycle.ts';

/** A process and what tells it from a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it began, as the system tells it; opaque. */
  readonly mark: string;
}

const onLinux = process.platform === 'linux';
const POLL_MS = 20;
/** How long the system may take to remove what was killed. */
const KILLED_MS = 1000;

/** Ask `ps` for one column of one process; empty when there is no such process. */
function ps(column: string, pid: number): string {
  try {
    return execFileSync('ps', ['-o', `${column}=`, '-p', String(pid)], {
      encoding: 'utf8',
      timeout: 5000,
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    // `ps` ends with 1 when no process matches.
    return '';
  }
}

function proc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    // The process is gone.
    return '';
  }
}

/** State letter and start time. The second field of /proc/N/stat, the name, may hold spaces and parentheses. */
function linuxStat(pid: number): { state: string; started: string } | undefined {
  const text = proc(pid, 'stat');
  if (text === '') return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', started: fields[19] ?? '' };
}

let bootId: string | undefined;
function readBootId(): string {
  bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return bootId;
}

/** Is there a process with this number that has not ended? A zombie has. */
export function isRunning(pid: number): boolean {
  if (onLinux) {
    const stat = linuxStat(pid);
    return stat !== undefined && stat.state !== 'Z' && stat.state !== 'X';
  }
  const state = ps('state', pid);
  return state !== '' && !state.startsWith('Z');
}

/** Identify a running process; undefined when there is none with this number. */
export function identify(pid: number): ProcessIdentity | undefined {
  if (!isRunning(pid)) return undefined;
  const mark = onLinux ? `${readBootId()}/${linuxStat(pid)?.started ?? ''}` : ps('lstart', pid);
  return { pid, mark };
}

/** Is the process that this identity was taken from still running? */
export function isSameProcess(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.mark === identity.mark;
}

/** The command line of a process, its words separated by spaces; empty when it is gone. */
export function commandLine(pid: number): string {
  return onLinux ? proc(pid, 'cmdline').replaceAll('\0', ' ').trim() : ps('args', pid);
}

/** Send a signal to a process, or with `group` to its whole group; false when there is none of ours. */
export function signal(pid: number, name: NodeJS.Signals, group = false): boolean {
  try {
    process.kill(group ? -pid : pid, name);
    return true;
  } catch (error) {
    if (hasCode(error, 'ESRCH', 'EPERM')) return false;
    throw error;
  }
}

/** Wait until the process is gone; false when it still runs at the deadline. */
export async function gone(pid: number, deadline: Deadline): Promise<boolean> {
  while (isRunning(pid)) {
    if (deadline.leftMs === 0) return false;
    await pause(POLL_MS);
  }
  return true;
}

/** End a process with `name`, and with SIGKILL what still runs at the deadline. */
export async function endProcess(
  pid: number,
  name: NodeJS.Signals,
  deadline: Deadline,
  { group = false }: { group?: boolean } = {},
): Promise<void> {
  if (!isRunning(pid) || !signal(pid, name, group)) return;
  if (await gone(pid, deadline)) return;
  signal(pid, 'SIGKILL', group);
  await gone(pid, Deadline.in(KILLED_MS));
}
