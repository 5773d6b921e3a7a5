/**
 * One direction of a connection through the proxy: bytes in from one socket, out at the other, in order.
 *
 * Promises: bytes leave in the order in which they came, whatever the conduct was meanwhile; memory is bounded, for the
 * source is paused while more than a megabyte waits.
 */

import type { Socket } from 'node:net';

interface Parcel {
  readonly dueMs: number;
  bytes: Buffer;
}

const MOST_WAITING_BYTES = 1024 * 1024;

export class Lane {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #parcels: Parcel[] = [];
  #waiting = 0;
  /** The source has said goodbye, which travels behind its bytes. */
  #ended = false;
  #endSent = false;
  /** Bytes of this lane were thrown away: what follows would make no sense to the reader. */
  torn = false;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
    to.on('drain', () => this.#balance());
  }

  /** Take bytes that may leave at `dueMs` or later. */
  put(bytes: Buffer, dueMs: number): void {
    this.#parcels.push({ bytes, dueMs });
    this.#waiting += bytes.length;
    this.#balance();
  }

  /** The source will send no more. */
  end(): void {
    this.#ended = true;
  }

  /** Let go of what is due at `nowMs`, at most `budget` bytes. */
  flush(nowMs: number, budget: number): void {
    let left = budget;
    while (left > 0) {
      const first = this.#parcels[0];
      if (first === undefined || first.dueMs > nowMs || !this.#to.writable) break;
      const part = first.bytes.length <= left ? first.bytes : first.bytes.subarray(0, left);
      if (part.length === first.bytes.length) this.#parcels.shift();
      else first.bytes = first.bytes.subarray(part.length);
      left -= part.length;
      this.#waiting -= part.length;
      this.#to.write(part);
    }
    if (this.#ended && this.#parcels.length === 0 && !this.#endSent) {
      this.#endSent = true;
      this.#to.end();
    }
    this.#balance();
  }

  /** Read on only while there is room. */
  #balance(): void {
    const full = this.#waiting > MOST_WAITING_BYTES || this.#to.writableNeedDrain;
    if (full && !this.#from.isPaused()) this.#from.pause();
    else if (!full && this.#from.isPaused()) this.#from.resume();
  }
}
