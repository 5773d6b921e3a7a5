/**
 * Answers on the wire: status, headers and text in one write.
 *
 * Promises: a length is always declared; whoever is still sending a body that nobody will read gets the whole answer
 * before the connection closes, because the rest is read and thrown away, for a bounded time and amount.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { declaredBytes, hasBody, MAX_BODY_BYTES } from './body.ts';
import { isBodyHeld } from './expectation.ts';

/** After an early answer: how much more of the body is thrown away, and for how long, before the connection closes. */
const LINGER_BYTES = 32 * 1024 * 1024;
const LINGER_MS = 3000;

export interface Answer {
  readonly status: number;
  /** Names and values in turn; neither Content-Length nor Connection. Handed over: it is added to. */
  readonly headers: string[];
  readonly text: string;
  /** Close the connection afterwards; done anyway when a body is left unread that is chunked, long or held back. */
  readonly close?: boolean;
}

/** Send an answer; false when it is too late for one. Throws when a header may not be sent, having sent nothing. */
export function send(request: IncomingMessage, response: ServerResponse, answer: Answer): boolean {
  if (response.headersSent || isGone(request, response)) return false;
  const { status, headers, text, close = false } = answer;
  const unread = !request.complete && hasBody(request) && !request.socket.readableEnded;
  const linger = unread && (close || !isSmall(request));
  if (close || linger) response.shouldKeepAlive = false;
  if (status === 204 || status === 304) {
    response.writeHead(status, headers);
    response.end();
    return true;
  }
  headers.push('Content-Length', String(Buffer.byteLength(text)));
  response.writeHead(status, headers);
  if (!linger) {
    response.end(request.method === 'HEAD' ? undefined : text);
    return true;
  }
  response.flushHeaders();
  response.write(text);
  discardBody(request, response, () => response.end());
  return true;
}

/** The answer has been sent whole, the body not: close the connection once the client has had its chance to read. */
export function closeAfterBody(request: IncomingMessage): void {
  const { socket } = request;
  if (socket.readableEnded) socket.destroySoon();
  else discardBody(request, socket, () => socket.destroySoon());
}

/** Has the client gone? */
export function isGone(request: IncomingMessage, response: ServerResponse): boolean {
  return response.destroyed || request.socket.destroyed;
}

/** A body of a known, acceptable length that is on its way: Node throws it away and the connection stays usable. */
function isSmall(request: IncomingMessage): boolean {
  const { headers } = request;
  if (headers['transfer-encoding'] !== undefined || isBodyHeld(request)) return false;
  return declaredBytes(headers) <= MAX_BODY_BYTES;
}

/** Throw the body away, and call `done` once the client has stopped sending, has had its chance, or is gone. */
function discardBody(
  request: IncomingMessage,
  closes: { once(event: 'close', listener: () => void): unknown },
  done: () => void,
): void {
  let left = LINGER_BYTES;
  const end = () => {
    clearTimeout(timer);
    request.off('data', onData);
    done();
  };
  const onData = (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) end();
  };
  const timer = setTimeout(end, LINGER_MS);
  request.on('data', onData);
  for (const event of ['end', 'error', 'close']) request.once(event, end);
  closes.once('close', end);
  request.resume();
}
