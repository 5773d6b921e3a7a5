/** A caller that waits until its job is safe, and for a short while also until the job is in its queue. */

import type { Taken } from './intake.ts';

export class Ticket {
  /** Milliseconds since 1970: when it began to wait. */
  readonly sinceMs: number;
  readonly answered: Promise<Taken>;
  /** Is the entry on disk? */
  synced = false;
  /** Is the job in its queue? */
  handed = false;
  /** Was the caller told that the job is safe before it was in its queue? */
  kept = false;
  #resolve: (taken: Taken) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(sinceMs: number) {
    this.sinceMs = sinceMs;
    this.answered = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** The job is in its queue: that is an answer once it is on disk too. */
  hand(): void {
    this.handed = true;
    if (this.synced) this.#resolve('handed');
  }

  /** The entry is on disk: that is an answer if the job is in its queue too. */
  sync(): void {
    this.synced = true;
    if (this.handed) this.#resolve('handed');
  }

  /** Wait no longer for the queue. */
  keep(): void {
    this.kept ||= !this.handed;
    this.#resolve(this.handed ? 'handed' : 'kept');
  }

  fail(error: unknown): void {
    this.#reject(error);
  }
}
