/**
 * One web or worker process of the service under test, as built, that can be killed and started again.
 *
 * Promises: everything that it prints is in its log file, also what it printed just before a `kill -9`; every wait has
 * a deadline and fails with the end of that file.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '../../../src/config.ts';
import { within } from '../../../src/lifecycle.ts';
import { eventually } from '../../support/millrace-process.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const ENTRIES = { web: 'dist/src/server.js', worker: 'dist/workers/main.js' } as const;
const START_MS = 60_000;
const KILL_MS = 10_000;
const SHOWN_LINES = 40;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ServiceProcessOptions {
  readonly name: string;
  readonly role: keyof typeof ENTRIES;
  readonly environment: Environment;
  /** Folder of its log file. */
  readonly logs: string;
}

export class ServiceProcess {
  readonly name: string;
  readonly #options: ServiceProcessOptions;
  readonly #log: string;
  #child: ChildProcess | undefined;
  #exited: Promise<Exit> | undefined;
  #from = 0;
  /** How often it was started. */
  starts = 0;

  constructor(options: ServiceProcessOptions) {
    this.name = options.name;
    this.#options = options;
    this.#log = join(options.logs, `${options.name}.log`);
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Begin a process; `more` is added to its environment. It must not be running. */
  launch(more: Environment = {}): void {
    if (this.#child !== undefined) throw new Error(`${this.name} is running.`);
    const file = openSync(this.#log, 'a', 0o600);
    this.#from = statSync(this.#log).size;
    const { role, environment } = this.#options;
    const child = spawn(process.execPath, [ENTRIES[role]], {
      cwd: ROOT,
      env: { ...process.env, ...environment, ...more },
      stdio: ['ignore', file, file],
    });
    closeSync(file);
    this.starts += 1;
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      const done = (code: number | null, signal: NodeJS.Signals | null) => {
        if (this.#child === child) this.#child = undefined;
        resolve({ code, signal });
      };
      child.once('exit', done);
      child.once('error', () => done(null, null));
    });
  }

  /** Resolve once it says that it runs. */
  async ready(ms = START_MS): Promise<void> {
    await eventually(
      async () => ({ running: this.running, said: this.printed }),
      ({ running, said }) => !running || said.includes('"running"'),
      ms,
    ).catch(() => {
      throw new Error(`${this.name} does not start:\n${this.tail}`);
    });
    if (!this.running) throw new Error(`${this.name} ended while it started:\n${this.tail}`);
  }

  async start(more: Environment = {}): Promise<void> {
    this.launch(more);
    await this.ready();
  }

  /** `kill -9`, at this very moment. */
  strike(): void {
    this.#child?.kill('SIGKILL');
  }

  /** `kill -9`, and wait until it is gone. */
  async kill(): Promise<void> {
    await this.end('SIGKILL', KILL_MS);
  }

  /** Send a signal and wait until it is gone. Throws when it still runs after `ms`. */
  async end(signal: NodeJS.Signals = 'SIGTERM', ms = 35_000): Promise<Exit> {
    const exited = this.#exited;
    if (exited === undefined) return { code: null, signal: null };
    this.#child?.kill(signal);
    return within(ms, exited, () => new Error(`${this.name} runs ${ms} ms after ${signal}:\n${this.tail}`));
  }

  /** What it has printed since it was started last. */
  get printed(): string {
    const file = openSync(this.#log, 'r');
    try {
      const bytes = Buffer.alloc(Math.max(0, fstatSync(file).size - this.#from));
      readSync(file, bytes, 0, bytes.length, this.#from);
      return bytes.toString();
    } finally {
      closeSync(file);
    }
  }

  /** The last lines that it has printed. */
  get tail(): string {
    return this.printed.split('\n').slice(-SHOWN_LINES).join('\n');
  }
}
