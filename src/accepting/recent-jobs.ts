/**
 * Jobs that were handed over a moment ago, in memory: most have reached their end when they are looked at for the first
 * time, and need not be read back from the journal.
 *
 * Promises: nothing depends on it; what does not fit is found in the journal, and so is what is still open then.
 */

import type { NumberedEntry, NumberedId } from '../journal/segment.ts';

/** Some 5 MB. */
const MOST = 20_000;

interface HandedOver {
  readonly atMs: number;
  readonly jobs: readonly NumberedId[];
}

export class RecentJobs {
  readonly #batches: HandedOver[] = [];
  #size = 0;

  /** A batch has been handed over. */
  note(entries: readonly NumberedEntry[], atMs: number): void {
    if (this.#size + entries.length > MOST) return;
    const jobs = entries.map(({ number, entry: { id, queue } }) => ({ number, id, queue, handed: true }));
    this.#batches.push({ atMs, jobs });
    this.#size += jobs.length;
  }

  /** Take out the oldest batches that were handed over before a time, until there are `most` jobs or more. */
  take(beforeMs: number, most: number): NumberedId[] {
    const taken: NumberedId[] = [];
    for (let batch = this.#batches[0]; batch !== undefined && taken.length < most; batch = this.#batches[0]) {
      if (batch.atMs > beforeMs) break;
      taken.push(...batch.jobs);
      this.#batches.shift();
    }
    this.#size -= taken.length;
    return taken;
  }
}
