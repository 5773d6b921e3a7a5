/** A stream of bytes that is hashed, counted, looked at and limited while it passes. Holds 64 bytes of it. */

import { createHash } from 'node:crypto';
import { AppError } from '../errors.ts';
import { SIGNATURE_BYTES, typeOf } from './signatures.ts';

export class Measured implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  readonly #maxBytes: number;
  readonly #hash = createHash('sha256');
  #head = Buffer.alloc(0);
  #bytes = 0;
  #id: string | undefined;

  constructor(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, maxBytes: number) {
    this.#source = source;
    this.#maxBytes = maxBytes;
  }

  /** How many have passed. */
  get bytes(): number {
    return this.#bytes;
  }

  /** SHA-256 in hex of all that has passed; ask once it is over. */
  get id(): string {
    this.#id ??= this.#hash.digest('hex');
    return this.#id;
  }

  /** What its first bytes say that it is. */
  get type(): string {
    return typeOf(this.#head);
  }

  /** The bytes as they come. Throws `media-too-large` with the first one that is too many. */
  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    for await (const piece of this.#source) {
      this.#bytes += piece.length;
      if (this.#bytes > this.#maxBytes) {
        throw new AppError('media-too-large', `The file has more than ${this.#maxBytes} bytes.`);
      }
      if (this.#head.length < SIGNATURE_BYTES) {
        this.#head = Buffer.concat([this.#head, piece.subarray(0, SIGNATURE_BYTES - this.#head.length)]);
      }
      this.#hash.update(piece);
      yield piece;
    }
  }
}
