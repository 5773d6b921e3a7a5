/**
 * How much memory a process takes, from the outside, and who says so when it is too much.
 *
 * A limit of the system on address space does not suit V8, which reserves far more than it uses; so the resident memory
 * is looked at every 100 ms. Linux only: elsewhere there is no `/proc`, and the limit of the heap stands alone.
 */

import { readFile } from 'node:fs/promises';

/** Milliseconds between two looks: what an allocation at 2 GB/s may get beyond the bound is 200 MB. */
const LOOK_MS = 100;
const KB_PER_MB = 1024;

/** Megabytes of resident memory of a process; undefined when nobody can say. */
async function residentMb(pid: number): Promise<number | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const kb = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
    return kb === undefined ? undefined : Math.round(Number(kb) / KB_PER_MB);
  } catch {
    // The process is gone, or this is no Linux.
    return undefined;
  }
}

export interface MemoryWatchOptions {
  readonly pid: number;
  /** Megabytes above which `exceeded` is called, once. */
  readonly mostMb: number;
  readonly exceeded: (mb: number) => void;
}

export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** Megabytes at the last look; 0: nobody could say. */
  lastMb = 0;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
    this.#again();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #again(): void {
    this.#timer = setTimeout(() => void this.#look(), LOOK_MS);
  }

  async #look(): Promise<void> {
    const mb = await residentMb(this.#options.pid);
    if (this.#stopped || mb === undefined) return;
    this.lastMb = mb;
    if (mb > this.#options.mostMb) this.#options.exceeded(mb);
    else this.#again();
  }
}
