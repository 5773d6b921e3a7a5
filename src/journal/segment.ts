/**
 * One file of the journal: which numbers it holds, which of them are settled, and reading them back.
 *
 * Promises: memory does not grow with what the file holds, but for one bit an entry and one anchor for each 64 KB.
 */

import { open } from 'node:fs/promises';
import { decodeEntry, endOfEntry, type JournalEntry, peekEntry } from './entry.ts';
import { type RecordPlace, scanRecords } from './record.ts';
import { type Seal, unsealed } from './seal.ts';

/** An entry with its number. */
export interface NumberedEntry {
  readonly number: number;
  readonly entry: JournalEntry;
  /** It was handed over before it was written here. */
  readonly handed: boolean;
}

/** What tells a job: enough to ask what has become of it. */
export interface NumberedId {
  readonly number: number;
  readonly id: string;
  readonly queue: string;
  /** It was handed over before it was written here. */
  readonly handed: boolean;
}

/** Some of a file, in order; `next` is where to go on. */
export interface Page<T> {
  readonly entries: T[];
  readonly next: number;
}

const ANCHOR_BYTES = 64 * 1024;
type Decode<T> = (bytes: Buffer, start: number, end: number, number: number, handed: boolean) => T;

/** Anchors whose records are read at once. */
const STRIDE = 4;

export class Segment {
  readonly path: string;
  /** Number of its first entry. */
  readonly first: number;
  #end: number;
  #bytes = 0;
  #open = 0;
  #gone = 0;
  #changed = false;
  #settled = new Uint8Array(64);
  /** Bytes of `#settled` from the start in which all bits are set. */
  #full = 0;
  readonly #anchors: { readonly offset: number; readonly first: number }[] = [];

  constructor(path: string, first: number) {
    this.path = path;
    this.first = first;
    this.#end = first;
  }

  /** The number after its last entry. */
  get end(): number {
    return this.#end;
  }

  /** Bytes that are known to be whole. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Entries whose final outcome was not seen. */
  get open(): number {
    return this.#open;
  }

  /** Entries that were settled. */
  get gone(): number {
    return this.#gone;
  }

  /** A record was written, or found. */
  wrote({ first, count, offset, length }: RecordPlace): void {
    this.#bytes = offset + length;
    const last = this.#anchors.at(-1);
    if (last === undefined || offset - last.offset >= ANCHOR_BYTES) this.#anchors.push({ offset, first });
    const gap = this.#end;
    this.#end = first + count;
    this.#open += count;
    this.#grow();
    // Numbers that no record holds, for it was damaged: nobody counts them, and nobody may settle them again.
    for (let number = gap; number < first; number++) this.#mark(number);
  }

  #grow(): void {
    const needed = Math.ceil((this.#end - this.first) / 8);
    if (needed <= this.#settled.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#settled.length * 2));
    grown.set(this.#settled);
    this.#settled = grown;
  }

  #mark(number: number): void {
    const index = number - this.first;
    this.#settled[index >> 3] = (this.#settled[index >> 3] ?? 0) | (1 << (index & 7));
  }

  /** The bits of settled entries changed since they were last taken with `bits`. */
  get changed(): boolean {
    return this.#changed;
  }

  /** One bit for each entry, set when it is settled, lowest first. */
  bits(): Uint8Array {
    this.#changed = false;
    return this.#settled.slice(0, Math.ceil((this.#end - this.first) / 8));
  }

  /** Take over bits that were written down earlier. */
  restore(bits: Uint8Array): void {
    for (let number = this.first; number < this.#end; number++) {
      const index = number - this.first;
      if (((bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0) this.settle(number);
    }
    this.#changed = false;
  }

  has(number: number): boolean {
    return number >= this.first && number < this.#end;
  }

  isSettled(number: number): boolean {
    const index = number - this.first;
    return ((this.#settled[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
  }

  /** Note a final outcome. The same number twice counts once. */
  settle(number: number): void {
    if (!this.has(number) || this.isSettled(number)) return;
    this.#mark(number);
    this.#changed = true;
    this.#open -= 1;
    this.#gone += 1;
  }

  /** Entries that are not settled, in order from `from` on: some 256 KB of them. */
  read(from: number, seal: Seal | undefined): Promise<Page<NumberedEntry>> {
    return this.#page(from, seal, (bytes, start, end, number, handed) => ({
      number,
      entry: decodeEntry(bytes, start, end),
      handed,
    }));
  }

  /** As `read`, without what is in them. */
  list(from: number, seal: Seal | undefined): Promise<Page<NumberedId>> {
    return this.#page(from, seal, (bytes, start, _end, number, handed) => ({
      number,
      ...peekEntry(bytes, start),
      handed,
    }));
  }

  async #page<T>(from: number, seal: Seal | undefined, decode: Decode<T>): Promise<Page<T>> {
    const entries: T[] = [];
    const file = await open(this.path, 'r');
    try {
      let next = Math.max(from, this.#firstOpen());
      for (let index = this.#anchorFor(next); index < this.#anchors.length && entries.length === 0; index += STRIDE) {
        const offset = this.#anchors[index]?.offset ?? 0;
        const bytes = Buffer.allocUnsafe((this.#anchors[index + STRIDE]?.offset ?? this.#bytes) - offset);
        const { bytesRead } = await file.read(bytes, 0, bytes.length, offset);
        scanRecords(bytes.subarray(0, bytesRead), offset, {
          record: (place, body) => {
            if (place.first + place.count <= from) return;
            this.#collect(place, unsealed(seal, place.sealed, body), from, decode, entries);
            next = place.first + place.count;
          },
        });
      }
      return { entries, next: entries.length === 0 ? this.#end : next };
    } finally {
      await file.close();
    }
  }

  #collect<T>(place: RecordPlace, body: Buffer, from: number, decode: Decode<T>, into: T[]): void {
    let start = 0;
    for (let index = 0; index < place.count; index++) {
      const end = endOfEntry(body, start);
      const number = place.first + index;
      if (number >= from && !this.isSettled(number)) {
        into.push(decode(body, start, end, number, place.kind === 'handed'));
      }
      start = end;
    }
  }

  /** The first number that may be open: whole bytes of settled ones are passed over. */
  #firstOpen(): number {
    while (this.#full < this.#settled.length && this.#settled[this.#full] === 0xff) this.#full += 1;
    return this.first + this.#full * 8;
  }

  /** Index of the anchor from which a number is found. */
  #anchorFor(number: number): number {
    const after = this.#anchors.findIndex(({ first }) => first > number);
    return Math.max(0, (after === -1 ? this.#anchors.length : after) - 1);
  }
}
