/**
 * What is answered when Node's parser gives up on a connection: the request was broken, too large or too slow.
 *
 * Promises: a problem document, like every refusal; answers to earlier requests on the connection come first and whole;
 * the client gets to read it before the connection closes, for a bounded time and amount.
 */

import { randomUUID } from 'node:crypto';
import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { AppError, hasCode } from '../errors.ts';
import { Exchange, type ExchangeSetting } from './exchange.ts';
import { endStream } from './open-streams.ts';
import { PROBLEM_TYPE, problemDocument } from './problem.ts';

/** How long, and how often after more broken input, a refused connection may linger for its client to read. */
const LINGER_MS = 2000;
const LINGER_READS = 64;

/** The body of a request was not complete in time. */
export class RequestTimeout extends Error {
  readonly code = 'ERR_HTTP_REQUEST_TIMEOUT';
}

/** The refusals of one server. */
export class ClientErrors {
  readonly #setting: ExchangeSetting;
  /** Connections that were refused, and how often they have gone on sending since. */
  readonly #refused = new WeakMap<Duplex, number>();

  constructor(setting: ExchangeSetting) {
    this.#setting = setting;
  }

  /** Refuse what arrived on `socket`; `unanswered` are the responses that it still waits for, oldest first. */
  refuse(error: Error, socket: Duplex, unanswered: Iterable<ServerResponse>): void {
    const reads = this.#refused.get(socket);
    this.#refused.set(socket, (reads ?? 0) + 1);
    if (!socket.writable || isGone(error) || (reads ?? 0) > LINGER_READS) socket.destroy();
    else if (reads === undefined) this.#answer(refusalFor(error), socket, [...unanswered]);
    else if (socket.readableEnded) socket.end();
  }

  #answer(refusal: AppError, socket: Duplex, unanswered: readonly ServerResponse[]): void {
    const last = unanswered.at(-1);
    if (last === undefined || last.writableFinished) {
      this.#write(socket, refusal);
    } else if (last.req.complete) {
      last.once('finish', () => this.#write(socket, refusal));
    } else if (endStream(last, refusal)) {
      // It says so in its own last line.
    } else if (last.headersSent) {
      // It has been answered already, and the rest of its body is not worth another answer.
      socket.end();
    } else {
      // The body of this very request is what is broken: it is told in its own answer.
      new Exchange(this.#setting, last.req, last).fail(refusal, { close: true });
    }
  }

  #write(socket: Duplex, refusal: AppError): void {
    if (!socket.writable) return;
    const requestId = randomUUID();
    this.#setting.logger.info({ requestId, status: refusal.status, code: refusal.code }, 'refused a connection');
    socket.end(rawAnswer(refusal, requestId));
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => clearTimeout(timer));
  }
}

function isGone(error: Error): boolean {
  return hasCode(error, 'ECONNRESET', 'EPIPE');
}

function refusalFor(error: Error): AppError {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new AppError('headers-too-large', 'The request line and headers have more than 16 KB.', { cause: error });
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new AppError('request-timeout', 'The request was not complete in time.', { cause: error });
  }
  return new AppError('bad-request', 'The request is not valid HTTP/1.1.', { cause: error });
}

function rawAnswer(refusal: AppError, requestId: string): string {
  const text = problemDocument(refusal, requestId);
  return [
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}`,
    `Date: ${new Date().toUTCString()}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Cache-Control: no-store',
    'Connection: close',
    'X-Content-Type-Options: nosniff',
    `X-Request-Id: ${requestId}`,
    '',
    text,
  ].join('\r\n');
}
