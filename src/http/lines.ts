/**
 * Bytes to lines, as they come.
 *
 * Promises: holds one piece of the body and at most one unfinished line; a line over the limit is dropped as it comes
 * and told as too long; blank lines are passed over but counted; a last line needs no line feed. UTF-8 is checked line
 * by line, so that one wrong byte costs one line.
 */

import { isUtf8 } from 'node:buffer';

const LINE_FEED = 0x0a;
const NOTHING = Buffer.alloc(0);
const BLANK = /^[ \t\r]*$/;

/** A line of a body, counted from 1; blank ones count. */
export type Line =
  | { readonly number: number; readonly text: string }
  | { readonly number: number; readonly wrong: 'too-long' | 'not-utf8' };

export class Lines {
  readonly #maxBytes: number;
  /** Whole lines that have not been taken yet, from `#at` on, each with its line feed but perhaps the last. */
  #bytes: Buffer = NOTHING;
  #at = 0;
  /** Are these bytes all UTF-8? */
  #clean = true;
  /** The line that is not complete yet: the first `#begunBytes` bytes. */
  #begun: Buffer = NOTHING;
  #begunBytes = 0;
  #number = 0;

  /** `maxBytes`: of one line, without its line feed. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** How many lines have been taken or passed over. */
  get count(): number {
    return this.#number;
  }

  /** Has every complete line been taken? */
  get isEmpty(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** Add a piece of the body. */
  push(piece: Buffer): void {
    const end = piece.lastIndexOf(LINE_FEED) + 1;
    if (end > 0) this.#complete(piece.subarray(0, end));
    if (end < piece.length) this.#begin(piece.subarray(end));
  }

  /** The body is over: what was begun is the last line. */
  end(): void {
    if (this.#begunBytes > 0) this.#complete(NOTHING);
  }

  /** The next line that is not blank; undefined when more bytes are needed. */
  next(): Line | undefined {
    while (this.#at < this.#bytes.length) {
      const feed = this.#bytes.indexOf(LINE_FEED, this.#at);
      const end = feed === -1 ? this.#bytes.length : feed;
      const line = this.#line(this.#at, end);
      this.#at = end + 1;
      if (line !== undefined) return line;
    }
    this.#bytes = NOTHING;
    this.#at = 0;
    return undefined;
  }

  #line(start: number, end: number): Line | undefined {
    const bytes = this.#bytes;
    const number = ++this.#number;
    if (end - start > this.#maxBytes) return { number, wrong: 'too-long' };
    if (!this.#clean && !isUtf8(bytes.subarray(start, end))) return { number, wrong: 'not-utf8' };
    const text = bytes.toString('utf8', start, end);
    return text.charCodeAt(0) > 0x20 || !BLANK.test(text) ? { number, text } : undefined;
  }

  #complete(bytes: Buffer): void {
    const before = [this.#bytes.subarray(this.#at), this.#begun.subarray(0, this.#begunBytes)];
    this.#bytes = before.every((each) => each.length === 0) ? bytes : Buffer.concat([...before, bytes]);
    this.#at = 0;
    this.#clean = isUtf8(this.#bytes);
    this.#begun = NOTHING;
    this.#begunBytes = 0;
  }

  /** One byte more than the limit is enough to know that the line is too long: the rest is not kept. */
  #begin(bytes: Buffer): void {
    const most = this.#maxBytes + 1;
    const before = this.#begunBytes;
    const piece = bytes.subarray(0, most - before);
    this.#begunBytes += piece.length;
    if (before === 0) {
      this.#begun = piece;
    } else {
      if (this.#begun.length < this.#begunBytes) {
        const larger = Buffer.allocUnsafe(Math.min(most, Math.max(this.#begunBytes, before * 2)));
        this.#begun.copy(larger, 0, 0, before);
        this.#begun = larger;
      }
      piece.copy(this.#begun, before);
    }
  }
}
