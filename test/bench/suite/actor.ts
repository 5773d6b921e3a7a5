/**
 * A part of the bench in a process of its own: the other side of `actors/serve.ts`.
 *
 * Promises: every call has a deadline; an actor that ends takes its open calls with it, each failing with the reason.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { Deadline, within } from '../../../src/lifecycle.ts';
import { endProcess } from '../../../src/local/processes.ts';
import type { Commands, Reply } from './actors/serve.ts';

/** Milliseconds that any one call may take. */
const CALL_MS = 300_000;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class Actor<C extends Commands> {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;

  /** Start the compiled file. */
  constructor(file: string) {
    this.#child = fork(file, [], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      serialization: 'advanced',
      env: { ...process.env, NODE_ENV: 'production' },
    });
    this.#child.on('message', (message) => this.#hear(message as Reply));
    this.#child.on('error', (error) => this.#fail(error));
    this.#child.once('exit', (code, signal) =>
      this.#fail(new Error(`${file} ended (${signal ?? `exit code ${code}`})`)),
    );
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Run one of its commands. */
  async call<K extends keyof C & string>(name: K, ...args: Parameters<C[K]>): Promise<Awaited<ReturnType<C[K]>>> {
    const id = this.#next++;
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, name, args }, (error) => error !== null && reject(error));
    });
    try {
      return (await within(CALL_MS, answer, () => new Error(`${name} took too long`))) as Awaited<ReturnType<C[K]>>;
    } finally {
      this.#waiting.delete(id);
    }
  }

  /** Use no processor until `thaw`: not while others are measured. */
  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    this.thaw();
    await endProcess(this.pid, 'SIGTERM', Deadline.in(2000));
  }

  #hear({ id, value, error }: Reply): void {
    const waiting = this.#waiting.get(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(error));
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
  }
}
