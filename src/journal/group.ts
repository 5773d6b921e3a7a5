/** Entries that are written, and made durable, together. */

import { encodeEntry, type JournalEntry } from './entry.ts';
import type { NumberedEntry } from './segment.ts';

export class Group {
  /** Number of its first entry; the others follow. */
  readonly first: number;
  /** Were these entries handed over before? */
  readonly handed: boolean;
  /** Resolves once the entries are on disk; rejects when they are not, and never will be, to be relied on. */
  readonly synced: Promise<void>;
  readonly #entries: JournalEntry[] = [];
  readonly #parts: Buffer[] = [];
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
  get parts(): readonly Buffer[] {
    return this.#parts;
  }

  /** Take an entry in; returns its number. */
  push(entry: JournalEntry): number {
    const bytes = encodeEntry(entry);
    this.#entries.push(entry);
    this.#parts.push(bytes);
    this.#bytes += bytes.length;
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
