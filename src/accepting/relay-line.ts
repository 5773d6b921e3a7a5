/**
 * What the relay has before it: entries in the order of the journal, the next ones in memory, the rest on disk.
 *
 * Promises: `next` never gives an entry before one with a lower number; memory holds at most `MOST_HELD` entries ahead,
 * and what came while it was full, or while an earlier part was on disk, is read back when its turn comes.
 */

import type { Journal } from '../journal/journal.ts';
import type { NumberedEntry } from '../journal/segment.ts';
import type { Ticket } from './ticket.ts';

/** An entry on its way, and who waits for it. */
export interface RelayItem extends NumberedEntry {
  readonly ticket?: Ticket | undefined;
}

/** Entries that are handed over together. */
export interface Batch {
  readonly items: readonly RelayItem[];
  readonly startedMs: number;
  /** It has waited for Redis to come back. */
  readonly late: boolean;
  /** Resolves when it has ended, one way or the other. */
  ended?: Promise<void>;
}

const MOST_HELD = 5000;
/** Characters of data in one batch: about 2 MB hold Redis for a few milliseconds, and stay far below its command timeout. */
const MOST_CHARACTERS = 1_000_000;

export class RelayLine {
  readonly #journal: Journal;
  #held: RelayItem[] = [];
  /** Every entry below is in `#held`, or was given out. */
  #end: number;
  #reading: Promise<void> | undefined;

  constructor(journal: Journal) {
    this.#journal = journal;
    this.#end = journal.handedEnd;
  }

  /** Number of the first entry that was not given out. */
  get first(): number {
    return this.#held[0]?.number ?? this.#end;
  }

  /** Entries in memory. */
  get held(): number {
    return this.#held.length;
  }

  /** Are there entries that have to be read back? */
  get hasGap(): boolean {
    return this.#end < this.#journal.end;
  }

  /** An entry has just come into the journal: hold it if nothing before it is missing. */
  append(item: RelayItem): void {
    if (item.number !== this.#end || this.#held.length >= MOST_HELD) return;
    this.#held.push(item);
    this.#end = item.number + 1;
  }

  /** Give out at most `most` entries, in order; empty when none is held. */
  next(most: number): RelayItem[] {
    let characters = 0;
    let count = 0;
    for (const { entry } of this.#held) {
      characters += entry.data.length;
      if (count > 0 && (count >= most || characters > MOST_CHARACTERS)) break;
      count += 1;
    }
    return this.#held.splice(0, count);
  }

  /** Entries that were given out and did not go: they are next again. */
  putBack(items: readonly RelayItem[]): void {
    this.#held = [...[...items].sort((a, b) => a.number - b.number), ...this.#held];
  }

  /** Read on from the journal. Only one reading is under way, however many ask. */
  readOn(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    const { entries, next } = await this.#journal.read(this.#end);
    this.#held.push(...entries.filter(({ handed }) => !handed));
    this.#end = next;
  }
}
