/**
 * What the child process of an isolated job prints, as lines of the worker's log: a structured line of its logger as it
 * is, anything else as text.
 *
 * Promises: of one child at most 256 KB are logged; a child that prints without end is slowed down to what reading it
 * slowly lets through, and the worker is not.
 */

import type { Readable } from 'node:stream';
import { z } from 'zod';
import type { Logger } from '../../src/logger.ts';
import { parseLine } from './line-channel.ts';

/** Bytes of one child that are logged. */
const MOST_BYTES = 256_000;
/** Characters of one line. */
const MOST_TEXT = 4000;
/** Milliseconds between two reads of what is thrown away. */
const SLOW_MS = 100;

/** A line of `src/logger.ts`. Who and when are the worker's to say. */
const logLine = z.looseObject({
  level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']),
  msg: z.string().optional(),
  time: z.unknown().optional(),
  role: z.unknown().optional(),
  pid: z.unknown().optional(),
});

export interface PrintedLinesOptions {
  readonly streams: readonly Readable[];
  readonly logger: Logger;
}

export class PrintedLines {
  readonly #streams: readonly Readable[];
  #logger: Logger;
  #bytes = 0;

  constructor({ streams, logger }: PrintedLinesOptions) {
    this.#streams = streams;
    this.#logger = logger;
    for (const stream of streams) this.#follow(stream);
  }

  /** From now on lines are logged with these fields. */
  bind(fields: Readonly<Record<string, unknown>>): void {
    this.#logger = this.#logger.child(fields);
  }

  /** Read no more. */
  destroy(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  #follow(stream: Readable): void {
    let rest = '';
    stream.on('error', () => stream.destroy());
    stream.on('data', (chunk: Buffer) => {
      const wasOpen = this.#bytes < MOST_BYTES;
      this.#bytes += chunk.length;
      if (!wasOpen) {
        this.#slowDown(stream);
        return;
      }
      const lines = (rest + chunk.toString()).split('\n');
      rest = (lines.pop() ?? '').slice(0, MOST_TEXT);
      for (const line of lines) this.#log(line);
      if (this.#bytes < MOST_BYTES) return;
      this.#logger.warn('an isolated job prints too much: the rest is dropped');
      this.#slowDown(stream);
    });
    stream.on('end', () => this.#log(rest));
  }

  #slowDown(stream: Readable): void {
    stream.pause();
    setTimeout(() => stream.resume(), SLOW_MS).unref();
  }

  #log(line: string): void {
    if (line === '') return;
    const said = logLine.safeParse(parseLine(line));
    if (!said.success) {
      this.#logger.info({ line: line.slice(0, MOST_TEXT) }, 'printed by an isolated job');
      return;
    }
    const { level, msg = '', time: _time, role: _role, pid: _pid, ...fields } = said.data;
    this.#logger[level](fields, msg);
  }
}
