/**
 * The one clock of a chaos run: every delay of a proxy, every outage and the driver's rate hang on it.
 *
 * Promises: one timer for all of them; nothing is called after `stop`, and whoever still waits then is told so.
 */

interface Wait {
  readonly atMs: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const TICK_MS = 5;

export class Clock {
  readonly #startedMs = performance.now();
  readonly #waits = new Set<Wait>();
  readonly #listeners = new Set<() => void>();
  readonly #timer: NodeJS.Timeout;
  #stopped = false;

  constructor() {
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Milliseconds since the clock was made. */
  get nowMs(): number {
    return performance.now() - this.#startedMs;
  }

  /** Resolve `ms` from now, to the next 5 ms. Rejects when the clock is stopped before. */
  after(ms: number): Promise<void> {
    if (this.#stopped) return Promise.reject(new Error('The clock is stopped.'));
    return new Promise((resolve, reject) => this.#waits.add({ atMs: this.nowMs + ms, resolve, reject }));
  }

  /** Call `work` every 5 ms. Returns what ends it. */
  onTick(work: () => void): () => void {
    this.#listeners.add(work);
    return () => void this.#listeners.delete(work);
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#listeners.clear();
    for (const wait of this.#waits) wait.reject(new Error('The clock was stopped.'));
    this.#waits.clear();
  }

  #tick(): void {
    const nowMs = this.nowMs;
    for (const wait of this.#waits) {
      if (wait.atMs > nowMs) continue;
      this.#waits.delete(wait);
      wait.resolve();
    }
    for (const work of this.#listeners) work();
  }
}
