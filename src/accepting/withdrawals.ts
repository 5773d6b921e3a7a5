/**
 * Jobs that were cancelled while they waited in the journal: which of them can still be left out.
 *
 * Promises: a job is only said to be left out when no call that carries it was, or may have been, carried out by Redis.
 * One that was asked for twice is left out twice. An id is forgotten with the last entry of its job, so that a later job
 * with the same id goes its way.
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

  /** Is this job to be left out, whichever of its entries it is? */
  isLeftOut(id: string): boolean {
    return this.#leftOut.size > 0 && this.#leftOut.has(id);
  }

  /** The last entries of these jobs have had their turn. */
  forget(ids: Iterable<string>): void {
    if (this.#leftOut.size + this.#maybeSent.size === 0) return;
    for (const id of ids) {
      this.#leftOut.delete(id);
      this.#maybeSent.delete(id);
    }
  }
}
