/**
 * Run a program on somebody's file: a process of its own that can neither run for ever, nor take all memory, nor
 * outlive us.
 *
 * Promises: no shell sees a word of the caller's; the process gets an empty environment; it is killed (SIGKILL) when the
 * signal aborts or its time is over, and with us where the system can do that (Linux); what it prints is bounded. How it
 * ended is an answer; only an abort, a program that cannot be started and too much output are thrown.
 */

import { spawn } from 'node:child_process';
import { AppError } from '../errors.ts';
import { findProgram } from './search-path.ts';

export interface BoundedRun {
  /** Absolute path. */
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Aborts with the reason to throw. */
  readonly signal: AbortSignal;
  /** Milliseconds after which it is killed. */
  readonly timeoutMs: number;
  /** Seconds of processor time. */
  readonly cpuSeconds: number;
  /** Bytes of address space. */
  readonly memoryBytes: number;
  /** The most bytes that a file it writes may have. */
  readonly fileBytes: number;
  /** The most bytes it may print. */
  readonly outputBytes: number;
}

export interface Ended {
  /** `timeout`: killed by us. `limit`: it took more processor time than allowed. */
  readonly how: 'exit' | 'timeout' | 'limit' | 'signal';
  /** Exit code; -1 when a signal ended it. */
  readonly code: number;
  readonly killedBy: NodeJS.Signals | undefined;
  readonly stdout: string;
  /** The last 4 KB. */
  readonly stderr: string;
}

/** Bytes that are kept of what it says to standard error. */
const STDERR_BYTES = 4096;
const OPEN_FILES = 64;
const PATH = '/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin';

/** Run it to its end. */
export async function runBounded(run: BoundedRun): Promise<Ended> {
  const [program = '', ...args] = [...(await limits(run)), run.program, ...run.args];
  run.signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: run.cwd,
      env: { PATH, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output: Buffer[] = [];
    let bytes = 0;
    let stderr = '';
    let expired = false;
    let failure: unknown;
    const kill = () => {
      child.kill('SIGKILL');
      // Whatever it may have started holds the other ends: it gets SIGPIPE, and we wait for nobody.
      child.stdout.destroy();
      child.stderr.destroy();
    };
    const timer = setTimeout(() => {
      expired = true;
      kill();
    }, run.timeoutMs);
    const abort = () => {
      failure ??= run.signal.reason;
      kill();
    };
    run.signal.addEventListener('abort', abort, { once: true });
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= run.outputBytes) return void output.push(chunk);
      failure ??= new AppError('work-refused', `The program printed more than ${run.outputBytes} bytes.`);
      kill();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString('latin1')).slice(-STDERR_BYTES);
    });
    child.once('error', (error) => {
      failure ??= error;
    });
    // `close` comes also after a failed start, and when both pipes have ended.
    child.once('close', (code, killedBy) => {
      clearTimeout(timer);
      run.signal.removeEventListener('abort', abort);
      if (failure !== undefined) return reject(failure);
      const how = expired ? 'timeout' : killedBy === 'SIGXCPU' ? 'limit' : killedBy !== null ? 'signal' : 'exit';
      const stdout = Buffer.concat(output).toString('utf8');
      resolve({ how, code: code ?? -1, killedBy: killedBy ?? undefined, stdout, stderr });
    });
  });
}

/** The words before the program: `prlimit` and `setpriv` of util-linux, else a shell that sees numbers of ours only. */
async function limits({ cpuSeconds, memoryBytes, fileBytes }: BoundedRun): Promise<string[]> {
  const [prlimit, setpriv] = await Promise.all([findProgram(['prlimit']), findProgram(['setpriv'])]);
  if (prlimit === undefined || process.platform !== 'linux') {
    const kilobytes = Math.ceil(memoryBytes / 1024);
    // Not every system has -v: there the processor time is the bound.
    return [
      '/bin/sh',
      '-c',
      `ulimit -c 0; ulimit -t ${cpuSeconds}; ulimit -v ${kilobytes} 2>/dev/null; exec "$@"`,
      'sh',
    ];
  }
  return [
    ...(setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'KILL', '--']),
    prlimit,
    '--core=0',
    // The hard limit comes a second later: SIGXCPU tells what happened, SIGKILL would not.
    `--cpu=${cpuSeconds}:${cpuSeconds + 1}`,
    `--as=${memoryBytes}`,
    `--fsize=${fileBytes}`,
    `--nofile=${OPEN_FILES}`,
    '--',
  ];
}
