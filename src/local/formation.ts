/**
 * The web and worker processes that `npm start` runs: each kept running, each web process with a port of its own.
 *
 * Promises: the first web process gets PORT and the others free ports, the same ones after a restart; waiting for them
 * to be ready ends in time, with the reason.
 */

import type { Environment } from '../config.ts';
import { Deadline, type Lifecycle } from '../lifecycle.ts';
import { type Child, startChild } from './child.ts';
import { Keeper } from './keeper.ts';
import type { Output } from './output.ts';
import { freePort } from './ports.ts';
import type { PlannedProcess } from './procfile.ts';
import { whenReady } from './readiness.ts';
import type { LocalState } from './state.ts';

export interface FormationOptions {
  readonly plan: readonly PlannedProcess[];
  /** Folder in which the commands run. */
  readonly root: string;
  /** Address that web processes bind. */
  readonly host: string;
  /** Port of the first web process. */
  readonly port: number;
  readonly output: Output;
  /** Called after each new run of a process. */
  readonly changed: () => void;
}

/** The kind of process that listens for HTTP. */
const WEB = 'web';
/** A process that ends this often before all is ready will not get well by itself. */
const MOST_ENDS = 3;

export class Formation implements Lifecycle {
  readonly #options: FormationOptions;
  readonly #keepers = new Map<string, Keeper<Child>>();
  readonly #children = new Map<string, Child>();
  readonly #ports: number[] = [];

  constructor(options: FormationOptions) {
    this.#options = options;
  }

  /** The web processes' ports, the first process's first. */
  get ports(): readonly number[] {
    return this.#ports;
  }

  /** What the state file says of the processes. */
  get state(): LocalState['processes'] {
    return [...this.#children].flatMap(([name, { identity }]) =>
      identity === undefined ? [] : [{ name, ...identity }],
    );
  }

  /** Start every process, with `environment` on top of our own. */
  async start(environment: Environment = {}): Promise<void> {
    const { plan } = this.#options;
    for (const { name, kind, command } of plan) {
      const own = kind === WEB ? { ...environment, PORT: String(await this.#nextPort()) } : environment;
      const keeper = this.#keeper(name, command, own);
      this.#keepers.set(name, keeper);
      await keeper.start();
    }
  }

  async #nextPort(): Promise<number> {
    const { port } = this.#options;
    const next = this.#ports.length === 0 ? port : await freePort(port + this.#ports.length);
    this.#ports.push(next);
    return next;
  }

  #keeper(name: string, command: string, environment: Environment): Keeper<Child> {
    const { root, output, changed } = this.#options;
    return new Keeper<Child>({
      name,
      say: (line) => output.line('millrace', line),
      start: () => startChild({ command, cwd: root, environment, onLine: (line) => output.line(name, line) }),
      started: (child) => {
        this.#children.set(name, child);
        changed();
      },
    });
  }

  /** Wait for every web process; what keeps it from being ready, or undefined when all are (or the signal aborts). */
  async whenReady(ms: number, signal: AbortSignal): Promise<string | undefined> {
    const hopeless = new AbortController();
    const watch = setInterval(() => {
      if (this.#failing() !== undefined) hopeless.abort();
    }, 100);
    try {
      const either = AbortSignal.any([signal, hopeless.signal]);
      const deadline = Deadline.in(ms);
      const { host } = this.#options;
      const ready = await Promise.all(this.#ports.map((port) => whenReady(host, port, deadline, either)));
      if (signal.aborted) return undefined;
      const failing = this.#failing();
      if (failing !== undefined) return `${failing} ends again and again`;
      return ready.every(Boolean) ? undefined : `/readyz is not 200 after ${ms / 1000} s`;
    } finally {
      clearInterval(watch);
    }
  }

  #failing(): string | undefined {
    return [...this.#keepers].find(([, keeper]) => keeper.endsInARow >= MOST_ENDS)?.[0];
  }

  /** Stop every process politely, by force at the deadline. */
  async stop(deadline: Deadline): Promise<void> {
    await Promise.all([...this.#keepers.values()].map((keeper) => keeper.stop(deadline)));
  }

  /** End every process at once. */
  kill(): void {
    for (const keeper of this.#keepers.values()) keeper.kill();
  }
}
