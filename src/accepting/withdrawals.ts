/**
 * Jobs that were cancelled while they waited in the journal: which of them can still be left out.
 *
 * Promises: a job is only said to be left out when no call that carries it was, or may have been, carried out by Redis.
 * An id is forgotten with its job, so that a later job with the same id goes its way.
 */

export class Withdrawals {
  readonly #leftOut = new Set<string>();
  /** Jobs of a call that failed, or of a process that has ended: Redis may have them. */
  readonly #maybeSent = new Set<string>();

  /** These jobs may be in their queues. */
  doubt(ids: Iterable<string>): void {
    for (const id of ids) this.#maybeSent.add(id);
  }

  isDoubtful(id: string): boolean {
    return this.#maybeSent.has(id);
  }

  add(id: string): void {
    this.#leftOut.add(id);
  }

  /** Hand it over all the same. */
  takeBack(id: string): void {
    this.#leftOut.delete(id);
  }

  /** Is this job to be left out? Asking takes the id out: it has had its turn. */
  takeOut(id: string): boolean {
    return this.#leftOut.size > 0 && this.#leftOut.delete(id);
  }

  /** These jobs are in their queues, or will never be. */
  forget(ids: Iterable<string>): void {
    if (this.#leftOut.size + this.#maybeSent.size === 0) return;
    for (const id of ids) {
      this.#leftOut.delete(id);
      this.#maybeSent.delete(id);
    }
  }
}
