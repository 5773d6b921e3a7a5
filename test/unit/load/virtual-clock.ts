/** A clock that a test turns: nothing waits, and the order of what happens is the same on every machine. */

import { breathe } from '../../../src/lifecycle.ts';
import type { LoadClock } from '../../load/driver.ts';

/** Turns of the event loop after which whatever could go on has gone on. */
const TURNS = 4;

export class VirtualClock implements LoadClock {
  #nowMs = 0;
  #sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];

  now(): number {
    return this.#nowMs;
  }

  wait(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const wake = () => {
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      this.#sleepers.push({ atMs: this.#nowMs + Math.max(0, ms), wake });
      signal?.addEventListener('abort', wake);
    });
  }

  /** Turn the clock until the work is done. Throws when it waits for nothing. */
  async finish<T>(work: Promise<T>): Promise<T> {
    let over = false;
    const ended = work.finally(() => {
      over = true;
    });
    // It is awaited below; until then a rejection must not count as unhandled.
    ended.catch(() => {});
    for (;;) {
      for (let turn = 0; turn < TURNS; turn++) await breathe();
      if (over) return ended;
      const next = this.#sleepers.reduce((first, { atMs }) => Math.min(first, atMs), Number.POSITIVE_INFINITY);
      if (next === Number.POSITIVE_INFINITY) throw new Error(`Nothing wakes at ${this.#nowMs} ms, and it is not over.`);
      this.#nowMs = Math.max(this.#nowMs, next);
      const due = this.#sleepers.filter(({ atMs }) => atMs <= next);
      this.#sleepers = this.#sleepers.filter(({ atMs }) => atMs > next);
      for (const { wake } of due) wake();
    }
  }
}
