/**
 * Answers that go on for as long as their request does, and how whoever looks after the connection ends one: the parser
 * that gave up on it, the clock, or a server that stops.
 *
 * Promises: a stream is told once and ends in its own words; one that was told before it began does not begin.
 */

import type { ServerResponse } from 'node:http';
import type { AppError } from '../errors.ts';

/** An answer in progress that takes its request as it comes. */
export interface OpenStream {
  /** Since when the client owes bytes, on the clock of `performance.now()`; undefined while nothing is asked of it. */
  readonly waitingSinceMs: number | undefined;
  /** Take no more, answer what was taken, say why, and end. */
  end(why: AppError): void;
}

const open = new WeakMap<ServerResponse, OpenStream>();
const ended = new WeakMap<ServerResponse, AppError>();

/** From now on `stream` answers for `response`. Throws what it was ended with before it began and nobody has answered. */
export function openStream(response: ServerResponse, stream: OpenStream): void {
  const why = ended.get(response);
  if (why !== undefined && !response.headersSent) throw why;
  open.set(response, stream);
}

/** The stream that answers with `response`; undefined when its answer comes in one piece. */
export function streamOf(response: ServerResponse): OpenStream | undefined {
  return open.get(response);
}

/** End the stream, or keep it from beginning; an answer in one piece takes no notice. True when there is a stream. */
export function endStream(response: ServerResponse, why: AppError): boolean {
  const stream = open.get(response);
  ended.set(response, why);
  stream?.end(why);
  return stream !== undefined;
}
