/**
 * The body of a request as bytes, taken as they come and never held: for files.
 *
 * Promises: nothing is read while the taker is busy, and the client's clock stands still meanwhile; whoever ends it
 * early (`open-streams.ts`: too slow, broken framing, a server that stops) makes the taker fail with the reason, and
 * so does a client that goes away. A taker that stops early leaves the request answerable. All of it may take
 * ten minutes.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError } from '../errors.ts';
import { askForBody } from './expectation.ts';
import { type OpenStream, openStream } from './open-streams.ts';

const LONGEST_MS = 600_000;

export class UploadStream implements OpenStream, AsyncIterable<Uint8Array> {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #startedMs = performance.now();
  #pieces: Buffer[] = [];
  #complete = false;
  #why: AppError | undefined;
  #waitingSinceMs: number | undefined;
  #wake = () => {};

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.#request = request;
    this.#response = response;
  }

  get waitingSinceMs(): number | undefined {
    return this.#waitingSinceMs;
  }

  end(why: AppError): void {
    this.#why ??= why;
    this.#wake();
  }

  /** The bytes, once. */
  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    const request = this.#request;
    const onData = (piece: Buffer) => {
      this.#pieces.push(piece);
      request.pause();
      this.#wake();
    };
    const onEnd = () => {
      this.#complete = true;
      this.#wake();
    };
    // Comes after `end`, or instead of it.
    const onClose = () => this.end(new AppError('bad-request', 'The connection closed before the file was complete.'));
    openStream(this.#response, this);
    if (request.destroyed) onClose();
    request.on('data', onData).once('end', onEnd).once('close', onClose);
    request.pause();
    askForBody(request);
    try {
      while (await this.#hasMore()) yield* this.#pieces.splice(0);
    } finally {
      request.off('data', onData).off('end', onEnd).off('close', onClose);
    }
  }

  /** Wait for bytes. False at the end of the body; throws why it ended before that. */
  async #hasMore(): Promise<boolean> {
    this.#waitingSinceMs = performance.now();
    while (this.#pieces.length === 0 && !this.#complete && this.#why === undefined) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#request.resume();
      await woken;
    }
    this.#waitingSinceMs = undefined;
    if (this.#pieces.length > 0 && performance.now() - this.#startedMs < LONGEST_MS) return true;
    if (this.#pieces.length > 0) throw new AppError('request-timeout', 'The file was not complete in ten minutes.');
    if (this.#complete) return false;
    throw this.#why ?? new AppError('bad-request', 'The body has no end.');
  }
}
