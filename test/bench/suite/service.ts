/**
 * Our service as it runs in production: web and worker processes of the build, API keys on, default log level, its log
 * in a file.
 *
 * Promises: `start` resolves when every process is ready; `stop` has a deadline and kills what is left.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '../../../src/config.ts';
import { Deadline } from '../../../src/lifecycle.ts';
import { endProcess } from '../../../src/local/processes.ts';
import { ROOT } from './build.ts';

const START_MS = 30_000;
const STOP_MS = 15_000;

export interface ServiceProcessOptions {
  /** Node unless told. */
  readonly program?: string;
  /** For Node: its own arguments, then the compiled entry. */
  readonly args: readonly string[];
  readonly environment: Environment;
  readonly logFile: string;
  readonly cwd?: string;
}

/** One process of the service. */
export class ServiceProcess {
  readonly #child: ChildProcess;
  readonly #logFile: string;
  readonly startedMs = performance.now();
  #code: string | undefined;

  constructor({ program = process.execPath, args, environment, logFile, cwd = ROOT }: ServiceProcessOptions) {
    mkdirSync(join(logFile, '..'), { recursive: true });
    this.#logFile = logFile;
    const log = openSync(logFile, 'a');
    this.#child = spawn(program, [...args], {
      cwd,
      // A group of its own: Ctrl-C reaches it through us. The channel ends it when we are gone.
      detached: true,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, NODE_ENV: 'production', ...environment },
      stdio: ['ignore', log, log, 'ipc'],
    });
    closeSync(log);
    this.#child.once('exit', (code, signal) => {
      this.#code = signal ?? `exit code ${code}`;
    });
    this.#child.once('error', (error) => {
      this.#code = error.message;
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get log(): string {
    return readFileSync(this.#logFile, 'utf8');
  }

  /** Called with each message that a job in it sends. */
  onMessage(listener: (message: unknown) => void): void {
    this.#child.on('message', listener);
  }

  /** Wait until `ready` says yes; milliseconds since it was started. */
  async until(ready: () => Promise<boolean> | boolean, ms = START_MS): Promise<number> {
    const deadline = Deadline.in(ms);
    while (!(await ready())) {
      if (this.#code !== undefined) throw new Error(`It ended (${this.#code}):\n${this.log.slice(-2000)}`);
      if (deadline.leftMs === 0) throw new Error(`It was not ready within ${ms} ms:\n${this.log.slice(-2000)}`);
      await new Promise((resolve) => setTimeout(resolve, 4));
    }
    return performance.now() - this.startedMs;
  }

  /** Use no processor until `thaw`: not while others are measured. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    if (this.#code !== undefined) return;
    this.thaw();
    const exited = once(this.#child, 'exit');
    await endProcess(this.pid, 'SIGTERM', Deadline.in(STOP_MS));
    await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, 1000).unref())]);
  }
}

/** Does this address answer with this status? */
export async function answers(url: string, status = 200): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
    await response.arrayBuffer();
    return response.status === status;
  } catch {
    return false;
  }
}
