/**
 * Answers whose body is a file: head, then bytes as the client takes them.
 *
 * Promises: the stream is closed whatever happens; a client that goes is no error; a store that fails in the middle
 * ends the connection, so that a part is never taken for the whole.
 */

import { pipeline } from 'node:stream/promises';
import { isGone } from './answer.ts';
import type { Exchange } from './exchange.ts';
import type { Content } from './route.ts';

export interface ContentAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly content: Content;
}

/** Send a file; its headers replace the usual ones of the same name. */
export async function sendContent(exchange: Exchange, { status, headers, content }: ContentAnswer): Promise<void> {
  const { request, response } = exchange;
  const { stream, bytes } = content;
  try {
    if (!exchange.beginContent(status, { ...headers, 'Content-Length': String(bytes) })) return;
    if (request.method === 'HEAD') response.end();
    else await pipeline(stream, response);
    exchange.log(status);
  } catch (error) {
    if (!isGone(request, response)) response.destroy();
    exchange.gone('a file was not sent to its end', error);
  } finally {
    stream.destroy();
  }
}
