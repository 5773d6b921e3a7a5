/**
 * Lines over a socket between a worker and a child process. Not Node's own channel between processes: that one takes a
 * message of any size into memory before anybody can refuse it.
 *
 * Promises: a line longer than the limit is never kept; after the end, which is told once, nothing more is heard. What
 * is said to a socket that has closed goes nowhere.
 */

import type { Socket } from 'node:net';

export interface LineChannelOptions {
  readonly socket: Socket;
  /** Most bytes of one line. */
  readonly mostBytes: number;
  readonly onLine: (line: string) => void;
  /** The other side is gone (`closed`), or said too much at once (`too-long`). */
  readonly onEnd: (why: 'closed' | 'too-long') => void;
}

const NEWLINE = 10;

export class LineChannel {
  readonly #socket: Socket;
  readonly #options: LineChannelOptions;
  #parts: Buffer[] = [];
  #bytes = 0;
  #ended = false;

  constructor(options: LineChannelOptions) {
    this.#options = options;
    this.#socket = options.socket;
    this.#socket.on('data', (chunk: Buffer) => this.#hear(chunk));
    // The end of a process resets its sockets: that is an end like any other.
    this.#socket.on('error', () => this.#end('closed'));
    this.#socket.on('close', () => this.#end('closed'));
    this.#socket.on('end', () => this.#end('closed'));
  }

  /** Say something. Returns false when it is too long, and does not say it. */
  say(message: unknown): boolean {
    const text = JSON.stringify(message);
    // No copy is made of what is too long in any encoding.
    if (text.length >= this.#options.mostBytes) return false;
    const line = Buffer.from(`${text}\n`);
    if (line.length > this.#options.mostBytes) return false;
    if (!this.#ended && this.#socket.writable) this.#socket.write(line);
    return true;
  }

  /** Hear and say nothing more; what was said still goes out. */
  async finish(): Promise<void> {
    this.#ended = true;
    await new Promise<void>((resolve) => {
      this.#socket.once('close', resolve);
      this.#socket.end(resolve);
    });
  }

  /** Hear and say nothing more. */
  destroy(): void {
    this.#ended = true;
    this.#parts = [];
    this.#socket.destroy();
  }

  #hear(chunk: Buffer): void {
    let from = 0;
    while (!this.#ended) {
      const to = chunk.indexOf(NEWLINE, from);
      const part = chunk.subarray(from, to === -1 ? chunk.length : to);
      this.#bytes += part.length;
      if (this.#bytes >= this.#options.mostBytes) {
        this.#end('too-long');
        return;
      }
      if (part.length > 0) this.#parts.push(part);
      if (to === -1) return;
      const line = Buffer.concat(this.#parts).toString();
      this.#parts = [];
      this.#bytes = 0;
      from = to + 1;
      this.#options.onLine(line);
    }
  }

  #end(why: 'closed' | 'too-long'): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#parts = [];
    this.#options.onEnd(why);
  }
}

/** What a line says; undefined when it is not JSON. */
export function parseLine(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}
