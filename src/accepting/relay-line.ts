/**
 * What the relay has before it: entries in the order of the journal, the next ones in memory, the rest on disk.
 *
 *   given out │ held │ gap: read back from the journal │ latest
 *
 * A gap opens when more comes than is held, and when entries come into the journal by themselves: a file that was
 * rewritten, an orphan. Promises: `next` never gives an entry before one with a lower number; whoever waits for an entry
 * behind a gap is still known when its turn comes, so that a short gap costs nobody an answer; memory holds at most
 * `MOST_HELD` entries of those that come on either side of it, and what is in memory is not read again.
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
  /** The newest entries, behind the gap, without one between them; empty when there is no gap, or the rest is on disk too. */
  #latest: RelayItem[] = [];
  #reading: Promise<void> | undefined;

  constructor(journal: Journal) {
    this.#journal = journal;
    this.#end = journal.handedEnd;
  }

  /** Number of the first entry that was not given out. */
  get first(): number {
    return this.#held[0]?.number ?? this.#end;
  }

  /** Entries in memory that are next. */
  get held(): number {
    return this.#held.length;
  }

  /** Are there entries that have to be read back? */
  get hasGap(): boolean {
    return this.#end < this.#journal.end;
  }

  /** An entry has just come into the journal. */
  append(item: RelayItem): void {
    if (item.number === this.#end && this.#held.length < MOST_HELD) {
      this.#held.push(item);
      this.#end = item.number + 1;
    } else {
      const last = this.#latest.at(-1);
      // What is forgotten here is read back: it is on disk, or on its way there.
      if (last?.number !== item.number - 1 || this.#latest.length >= MOST_HELD) this.#latest = [];
      this.#latest.push(item);
    }
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
    if (this.#latest[0]?.number !== this.#end) await this.#readMissing();
    const last = this.#latest.at(-1);
    if (last === undefined || this.#latest[0]?.number !== this.#end) return;
    // Nothing is missing any more.
    this.#held = this.#held.concat(this.#latest);
    this.#end = last.number + 1;
    this.#latest = [];
  }

  async #readMissing(): Promise<void> {
    const { entries, next } = await this.#journal.read(this.#end);
    const end = Math.min(next, this.#latest[0]?.number ?? next);
    this.#held = this.#held.concat(entries.filter(({ handed, number }) => !handed && number < end));
    this.#end = end;
  }
}
