/** Entries that are written, and made durable, together. */

import { encodeEntry, entryBytes, type JournalEntry } from './entry.ts';
import type { NumberedEntry } from './segment.ts';

/** Of the first buffer: a few entries. */
const FIRST_BYTES = 4096;

export class Group {
  /** Number of its first entry; the others follow. */
  readonly first: number;
  /** Were these entries handed over before? */
  readonly handed: boolean;
  /** Resolves once the entries are on disk; rejects when they are not, and never will be, to be relied on. */
  readonly synced: Promise<void>;
  readonly #entries: JournalEntry[] = [];
  #buffer = Buffer.allocUnsafe(FIRST_BYTES);
  #bytes = 0;
  #done: () => void = () => {};
  #failed: (error: unknown) => void = () => {};

  constructor(first: number, handed: boolean) {
    this.first = first;
    this.handed = handed;
    this.synced = new Promise((resolve, reject) => {
      this.#done = resolve;
      this.#failed = reject;
    });
    // Whoever waits for it is told; a group that nobody waits for is no unhandled rejection.
    this.synced.catch(() => {});
  }

  get count(): number {
    return this.#entries.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The entries as bytes, one after the other. */
  get body(): Buffer {
    return this.#buffer.subarray(0, this.#bytes);
  }

  /** Take an entry in; returns its number. */
  push(entry: JournalEntry): number {
    const length = entryBytes(entry);
    if (this.#bytes + length > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#bytes + length));
      this.#buffer.copy(larger, 0, 0, this.#bytes);
      this.#buffer = larger;
    }
    encodeEntry(entry, this.#buffer, this.#bytes, length);
    this.#bytes += length;
    this.#entries.push(entry);
    return this.first + this.#entries.length - 1;
  }

  /** Its entries from a number on. */
  from(number: number): NumberedEntry[] {
    const skip = Math.max(0, number - this.first);
    return this.#entries
      .slice(skip)
      .map((entry, index) => ({ number: this.first + skip + index, entry, handed: this.handed }));
  }

  resolve(): void {
    this.#done();
  }

  reject(error: unknown): void {
    this.#failed(error);
  }
}
