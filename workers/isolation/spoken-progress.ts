/**
 * Progress on its way to the worker: one value at a time, and of those that wait the newest alone.
 *
 * Promises: a handler that reports without end fills nobody's memory; each call is settled once its value, or a newer
 * one, was reported.
 */

import { type CarriedError, carried, carry, MOST_BYTES } from './messages.ts';

interface Told {
  resolve(): void;
  reject(error: Error): void;
}

export interface SpokenProgressOptions {
  /** Say a value to the worker; false: it is too long. */
  readonly say: (value: number | object) => boolean;
}

export class SpokenProgress {
  readonly #say: SpokenProgressOptions['say'];
  #said: readonly Told[] | undefined;
  #next: { value: number | object; readonly waiting: Told[] } | undefined;

  constructor({ say }: SpokenProgressOptions) {
    this.#say = say;
  }

  say(value: number | object): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#next ??= { value, waiting: [] };
      this.#next.value = value;
      this.#next.waiting.push({ resolve, reject });
      this.#sayNext();
    });
  }

  /** The worker has reported what it was told last, or could not. */
  reported(error: CarriedError | undefined): void {
    const told = this.#said ?? [];
    this.#said = undefined;
    for (const { resolve, reject } of told) {
      if (error === undefined) resolve();
      else reject(carried(error));
    }
    this.#sayNext();
  }

  #sayNext(): void {
    if (this.#said !== undefined || this.#next === undefined) return;
    const { value, waiting } = this.#next;
    this.#said = waiting;
    this.#next = undefined;
    try {
      if (this.#say(value)) return;
      this.reported({ type: 'other', message: `A progress value takes more than ${MOST_BYTES} bytes.` });
    } catch (error) {
      this.reported(carry(error));
    }
  }
}
