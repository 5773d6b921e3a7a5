/**
 * The jobs of a journal that are not in their queue yet, by id.
 *
 * Promises: knows every entry from when it was accepted until it was handed over; takes some eighty bytes of memory for
 * each. Since when the oldest has been waiting is known to the outage, not to the job.
 */

import { AppError } from '../errors.ts';
import type { JournalEntry } from '../journal/entry.ts';
import type { Journal } from '../journal/journal.ts';
import type { NumberedEntry } from '../journal/segment.ts';

export interface PendingLimits {
  /** Entries that may wait for Redis; more are refused with `journal-full`. */
  readonly mostPending: number;
  /** Milliseconds for which entries may wait for Redis before new ones are refused. */
  readonly longestPendingMs: number;
}

export class PendingJobs {
  readonly #journal: Journal;
  readonly #limits: PendingLimits;
  readonly #clock: () => number;
  /** Number of the entry by the job's id; of the last one, if the same was accepted twice. */
  readonly #numbers = new Map<string, number>();
  #behindSinceMs: number | undefined;

  constructor({ journal, limits, clock }: { journal: Journal; limits: PendingLimits; clock: () => number }) {
    this.#journal = journal;
    this.#limits = limits;
    this.#clock = clock;
  }

  get size(): number {
    return this.#numbers.size;
  }

  /** Milliseconds for which jobs have been waiting for Redis to come back; 0 when it takes them. */
  get behindMs(): number {
    return this.#behindSinceMs === undefined ? 0 : Math.max(1, this.#clock() - this.#behindSinceMs);
  }

  has(id: string): boolean {
    return this.#numbers.has(id);
  }

  add(id: string, number: number): void {
    this.#numbers.set(id, number);
  }

  /** Every job that waits. */
  ids(): IterableIterator<string> {
    return this.#numbers.keys();
  }

  /** These entries do not wait any more. Returns the ids of those that were accepted again, and still do. */
  remove(entries: readonly NumberedEntry[]): string[] {
    const stillWaiting: string[] = [];
    for (const { number, entry } of entries) {
      const last = this.#numbers.get(entry.id);
      if (last === number) this.#numbers.delete(entry.id);
      else if (last !== undefined) stillWaiting.push(entry.id);
    }
    if (this.#numbers.size === 0) this.#behindSinceMs = undefined;
    return stillWaiting.filter((id) => this.#numbers.has(id));
  }

  /** Redis takes no jobs: from now on the ones that wait are behind. */
  fallBehind(): void {
    if (this.#numbers.size > 0) this.#behindSinceMs ??= this.#clock();
  }

  /** What had to wait for Redis to come back is handed over. */
  catchUp(): void {
    this.#behindSinceMs = undefined;
  }

  /** Throws `journal-full` when no more may wait. */
  refuseWhenFull(): void {
    const { mostPending, longestPendingMs } = this.#limits;
    if (this.#numbers.size >= mostPending) {
      const detail = `${this.#numbers.size} jobs wait for Redis; JOURNAL_MAX_JOBS is ${mostPending}.`;
      throw new AppError('journal-full', detail, { retryAfterSeconds: 5 });
    }
    if (this.behindMs <= longestPendingMs) return;
    const since = Math.round(this.behindMs / 1000);
    const detail = `Jobs have been waiting for Redis for ${since} s, longer than JOURNAL_MAX_AGE_MINUTES.`;
    throw new AppError('journal-full', detail, { retryAfterSeconds: 30 });
  }

  /** Take notice of entries, from a number on, that came into the journal by themselves. */
  async index(from: number): Promise<void> {
    for (let at = from; at < this.#journal.end; ) {
      const { entries, next } = await this.#journal.read(at);
      for (const { number, entry, handed } of entries) if (!handed) this.#numbers.set(entry.id, number);
      at = next;
    }
  }

  /** The entry of a job that waits; undefined when it does not, or is another tenant's. */
  async find(tenant: string, id: string): Promise<JournalEntry | undefined> {
    const number = this.#numbers.get(id);
    if (number === undefined) return undefined;
    const { entries } = await this.#journal.read(number);
    const entry = entries.find((each) => each.number === number)?.entry;
    return entry?.tenant === tenant ? entry : undefined;
  }

  /** All entries that wait, from the oldest on. */
  async *entries(): AsyncGenerator<readonly NumberedEntry[]> {
    for (let from = this.#journal.handedEnd; from < this.#journal.end; ) {
      const { entries, next } = await this.#journal.read(from);
      yield entries.filter(({ entry, number }) => this.#numbers.get(entry.id) === number);
      from = next;
    }
  }
}
