/**
 * Keeps one thing running: starts it again when it ends, after a wait that doubles with every end in a row.
 *
 * Promises: it says what ended and why, and when it will try again; a run that lasted counts the waits from the
 * beginning; once told to stop, it starts nothing more.
 */

import { messageOf } from '../errors.ts';
import { type Deadline, type Lifecycle, pause, within } from '../lifecycle.ts';

/** Something that runs until it ends. */
export interface Run {
  readonly pid: number;
  /** Resolves with the reason when it has ended. */
  readonly ended: Promise<string>;
  /** End it politely, by force at the deadline. */
  stop(deadline: Deadline): Promise<void>;
  /** End it at once. */
  kill(): void;
}

export interface KeeperOptions<R extends Run> {
  /** Such as `worker.1`. */
  readonly name: string;
  /** Start one run. */
  readonly start: () => Promise<R>;
  /** Gets one line for every end and every new start. */
  readonly say: (line: string) => void;
  /** Called with each new run. */
  readonly started?: (run: R) => void;
  /** A run of this many milliseconds ends the row of failures; 30 s unless told. */
  readonly steadyMs?: number;
  /** Milliseconds to wait after the `ends`th end in a row; `restartDelayMs` unless told. */
  readonly delayMs?: (ends: number) => number;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;

/** Milliseconds to wait after the `ends`th end in a row: 0.5, 1, 2 … at most 30 s. */
export function restartDelayMs(ends: number): number {
  return Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(ends - 1, 16));
}

export class Keeper<R extends Run> implements Lifecycle {
  readonly #options: KeeperOptions<R>;
  readonly #stopping = new AbortController();
  #run: R | undefined;
  #loop: Promise<void> | undefined;
  /** Ends in a row, none of them after a steady run. */
  #ends = 0;

  constructor(options: KeeperOptions<R>) {
    this.#options = options;
  }

  /** How often it has ended in a row. */
  get endsInARow(): number {
    return this.#ends;
  }

  /** Start the first run; rejects when that fails. Later failures are said and tried again. */
  async start(): Promise<void> {
    if (this.#loop !== undefined) return;
    const first = await this.#begin();
    this.#loop = this.#keep(first);
  }

  async #begin(): Promise<R> {
    const run = await this.#options.start();
    this.#run = run;
    this.#options.started?.(run);
    return run;
  }

  async #keep(first: R): Promise<void> {
    const { name, say, steadyMs = 30_000, delayMs = restartDelayMs } = this.#options;
    let run: R | undefined = first;
    for (;;) {
      const since = Date.now();
      const reason: string = run === undefined ? 'did not start' : await run.ended;
      this.#run = undefined;
      if (this.#stopping.signal.aborted) return;
      this.#ends = Date.now() - since >= steadyMs ? 1 : this.#ends + 1;
      const wait = delayMs(this.#ends);
      say(`${name} ended (${reason}); starting it again in ${wait / 1000} s`);
      await pause(wait, this.#stopping.signal);
      if (this.#stopping.signal.aborted) return;
      run = await this.#begin().catch((error: unknown) => {
        say(`${name} did not start: ${messageOf(error)}`);
        return undefined;
      });
      // Told to stop while it was starting.
      if (this.#stopping.signal.aborted) run?.kill();
    }
  }

  /** End the run and start no other. */
  async stop(deadline: Deadline): Promise<void> {
    this.#stopping.abort();
    await this.#run?.stop(deadline);
    if (this.#loop === undefined) return;
    await within(deadline.leftMs + 1000, this.#loop, () => new Error(`${this.#options.name} is still starting`));
  }

  /** End the run at once. */
  kill(): void {
    this.#stopping.abort();
    this.#run?.kill();
  }
}
