/**
 * One request and its answer: the request id, the line in the log, and the two ways it can end.
 *
 * Promises: there is at most one answer; every refusal is a problem document; what failed unexpectedly is logged with
 * its cause and the request id, and the caller sees only the id. Bodies and queries are never logged. A client that has
 * gone is not an error.
 */

import { type IncomingMessage, type ServerResponse, validateHeaderName, validateHeaderValue } from 'node:http';
import type { AppError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { freshNumber } from '../queue/envelope.ts';
import { isGone, send } from './answer.ts';
import { PROBLEM_TYPE, problemDocument, problemHeaders, toAppError } from './problem.ts';
import type { RouteAnswer } from './route.ts';

const UNBUFFERED = ['X-Accel-Buffering', 'no'];
const REQUEST_ID = /^[!-~]{1,128}$/;
/** The media type of every answer that is not a refusal, unless its route says otherwise. */
export const JSON_TYPE = 'application/json; charset=utf-8';
const TEXT_TYPE = 'text/plain; charset=utf-8';
const POLICY = 'Content-Security-Policy';

/** Characters of a path that are logged. */
const MAX_LOGGED_PATH = 256;

/** What every exchange of a server has in common. */
export interface ExchangeSetting {
  readonly logger: Logger;
  /** Headers of every answer, names and values in turn. */
  readonly headers: readonly string[];
  /** Told of every answer. `route` is the pattern that matched, never the path; milliseconds. */
  readonly measure?: Measure;
}

/** What is measured of an answer. */
export type Measure = (answer: { route: string; method: string; status: number; ms: number }) => void;

/** Where a request went that no route and no mount took. */
const NO_ROUTE = 'none';

export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The caller's `X-Request-Id` when it is 1–128 printable ASCII characters, else a number that nothing else has. */
  readonly requestId: string;
  readonly namedByCaller: boolean;
  readonly #setting: ExchangeSetting;
  readonly #route: string;
  readonly #startedMs = performance.now();
  #logger: Logger | undefined;
  #signal: AbortSignal | undefined;

  constructor(setting: ExchangeSetting, request: IncomingMessage, response: ServerResponse, route = NO_ROUTE) {
    this.#route = route;
    const given = request.headers['x-request-id'];
    this.#setting = setting;
    this.request = request;
    this.response = response;
    const named = typeof given === 'string' && REQUEST_ID.test(given);
    this.requestId = named ? given : freshNumber(Date.now());
    this.namedByCaller = named;
  }

  /** A logger bound to the request id; made when first asked for. */
  get logger(): Logger {
    this.#logger ??= this.#setting.logger.child({ requestId: this.requestId });
    return this.#logger;
  }

  /** Aborts when the client goes before the answer has been sent; made when first asked for. */
  get signal(): AbortSignal {
    if (this.#signal !== undefined) return this.#signal;
    const { response } = this;
    const controller = new AbortController();
    this.#signal = controller.signal;
    if (isGone(this.request, response)) controller.abort();
    else response.once('close', () => response.writableFinished || controller.abort());
    return this.#signal;
  }

  /** Answer as a route says. Throws when the answer cannot be written, having sent nothing. */
  answer({ status, body, text, headers }: RouteAnswer): void {
    const content = text ?? (body === undefined ? '' : JSON.stringify(body));
    const code = status ?? (content === '' ? 204 : 200);
    const type = text === undefined ? JSON_TYPE : TEXT_TYPE;
    if (this.#send(code, content === '' ? undefined : type, content, headers)) this.log(code);
  }

  /** Answer with the problem document for anything thrown; closes the connection when asked to. Never throws. */
  fail(thrown: unknown, { close = false } = {}): void {
    const error = toAppError(thrown);
    const text = problemDocument(error, this.requestId);
    let sent: boolean;
    try {
      sent = this.#send(error.status, PROBLEM_TYPE, text, problemHeaders(error), close);
    } catch {
      // A header of the error itself may not be sent; the document says it all.
      sent = this.#send(error.status, PROBLEM_TYPE, text, undefined, close);
    }
    if (sent) {
      this.log(error.status, error);
    } else if (isGone(this.request, this.response)) {
      this.gone('the client went before it was answered', error.cause ?? error);
    } else {
      this.log(error.status, error);
      this.response.destroy();
    }
  }

  /** Begin an answer that goes on; whoever does ends it, and logs it. False when it is too late for one. */
  begin(type: string): boolean {
    const { request, response } = this;
    if (response.headersSent || isGone(request, response)) return false;
    // A proxy that buffers would keep the answers back until the client has stopped asking.
    const own = ['X-Request-Id', this.requestId, 'Content-Type', type, 'Cache-Control', 'no-store', ...UNBUFFERED];
    response.writeHead(200, [...this.#setting.headers, ...own]);
    response.flushHeaders();
    return true;
  }

  /** Begin an answer that is a file; `headers` replace the usual ones of the same name. False when it is too late for one. */
  beginContent(status: number, headers: Readonly<Record<string, string>>): boolean {
    const { request, response } = this;
    if (response.headersSent || isGone(request, response)) return false;
    const own = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
    const usual = this.#setting.headers;
    for (let at = 0; at + 1 < usual.length; at += 2) {
      const [name = '', value = ''] = usual.slice(at, at + 2);
      if (!own.has(name.toLowerCase())) response.setHeader(name, value);
    }
    response.setHeader('X-Request-Id', this.requestId);
    response.writeHead(status, headers);
    return true;
  }

  /** Note that there is nobody left to answer. */
  gone(message: string, error?: unknown): void {
    this.logger.debug({ ...(error !== undefined && { err: error }) }, message);
  }

  /** One measure, and one line: debug for a success, info for a refusal, error with the cause for what the service did wrong. */
  log(status: number, error?: AppError): void {
    const { logger, measure } = this.#setting;
    const { method = '' } = this.request;
    const ms = Math.round((performance.now() - this.#startedMs) * 100) / 100;
    measure?.({ route: this.#route, method, status, ms });
    // An answer that goes on can end with an error after it has begun well.
    const outcome = error?.status ?? status;
    const level = outcome >= 500 ? (error?.code === 'internal' ? 'error' : 'warn') : outcome >= 400 ? 'info' : 'debug';
    if (!logger.isLevelEnabled(level)) return;
    const path = targetOf(this.request).split('?', 1)[0]?.slice(0, MAX_LOGGED_PATH);
    const { requestId } = this;
    const err = status >= 500 ? (error?.cause ?? error) : undefined;
    logger[level](
      { requestId, method, path, status, ms, ...(error && { code: error.code }), ...(err !== undefined && { err }) },
      'request',
    );
  }

  #send(status: number, type: string | undefined, text: string, extra: RouteAnswer['headers'], close = false): boolean {
    const headers = [...this.#setting.headers, 'X-Request-Id', this.requestId];
    if (extra?.[POLICY] !== undefined) dropHeader(headers, POLICY);
    let ownType = type === undefined;
    let ownCaching = false;
    for (const name in extra) {
      const value = extra[name] ?? '';
      // Before anything of the answer is fixed: Node would find out half-way.
      validateHeaderName(name);
      validateHeaderValue(name, value);
      headers.push(name, value);
      if (name.length === 12 && /^content-type$/i.test(name)) ownType = true;
      else if (name.length === 13 && /^cache-control$/i.test(name)) ownCaching = true;
    }
    if (!ownType && type !== undefined) headers.push('Content-Type', type);
    if (!ownCaching) headers.push('Cache-Control', 'no-store');
    return send(this.request, this.response, { status, headers, text, close });
  }
}

/** A page of ours brings its own policy: of two that are sent browsers hold to both. */
function dropHeader(headers: string[], name: string): void {
  const at = headers.findIndex((each, index) => index % 2 === 0 && each.toLowerCase() === name.toLowerCase());
  if (at !== -1) headers.splice(at, 2);
}

/** The target as the client sent it: Express takes the mount's path off `url`. */
function targetOf(request: IncomingMessage): string {
  const original = 'originalUrl' in request ? request.originalUrl : undefined;
  return typeof original === 'string' ? original : (request.url ?? '');
}
