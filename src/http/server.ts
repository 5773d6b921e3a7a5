/**
 * The node HTTP server under the Express app: its limits, its classes, what it refuses before Express, how it stops.
 *
 * Promises: nothing waits for ever (headers 10 s, whole request 30 s, 30 s without a byte for one that is answered line
 * by line, idle connections 65 s); a request that two readers could understand differently is refused; stopping closes
 * idle connections at once, tells streams to end, lets answers in progress finish with `Connection: close` until the
 * deadline, and then ends every connection that is left.
 */

import http, { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Express } from 'express';
import { AppError } from '../errors.ts';
import { BootError, type Deadline, type Lifecycle, pause } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { ClientErrors, RequestTimeout } from './client-errors.ts';
import { Connections } from './connections.ts';
import { Exchange, type ExchangeSetting } from './exchange.ts';
import { holdBody } from './expectation.ts';
import { framingProblem } from './framing.ts';
import { endStream } from './open-streams.ts';
import { stablePrototypes } from './prototypes.ts';
import { apiSecurityHeaders } from './security-headers.ts';

/** Bytes of request line and headers together. */
const MAX_HEADER_BYTES = 16 * 1024;

/** Milliseconds without a byte in either direction, while an answer is owed or unread, after which a connection ends. */
const STALLED_MS = 120_000;

export interface HttpServerOptions {
  /** TCP port; 0 takes a free one. */
  readonly port: number;
  /** Address to bind. */
  readonly host: string;
  /** Milliseconds for request line and headers; default 10,000. */
  readonly headersTimeoutMs?: number;
  /** Milliseconds for the whole request to arrive, or between two pieces of a stream; default 30,000. */
  readonly requestTimeoutMs?: number;
  /** Milliseconds that an idle connection is kept; default 65,000: longer than the usual proxy's 60 s. */
  readonly keepAliveTimeoutMs?: number;
}

export class HttpServer implements Lifecycle {
  readonly #app: Express;
  readonly #server: Server;
  readonly #setting: ExchangeSetting;
  readonly #clientErrors: ClientErrors;
  readonly #options: HttpServerOptions;
  readonly #connections = new Connections();
  readonly #checkEveryMs: number;
  readonly #requestTimeoutMs: number;
  #checking: NodeJS.Timeout | undefined;
  #started: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;

  /** One listener for all responses. */
  readonly #onClose: (this: ServerResponse) => void;

  constructor({ app, logger }: { app: Express; logger: Logger }, options: HttpServerOptions) {
    const { headersTimeoutMs = 10_000, requestTimeoutMs = 30_000, keepAliveTimeoutMs = 65_000 } = options;
    this.#app = app;
    this.#checkEveryMs = Math.min(1000, headersTimeoutMs);
    this.#requestTimeoutMs = requestTimeoutMs;
    this.#options = options;
    this.#setting = { logger, headers: apiSecurityHeaders() };
    this.#clientErrors = new ClientErrors(this.#setting);
    this.#server = http.createServer({
      ...stablePrototypes(app),
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: headersTimeoutMs,
      // Node's own would cut streams too: see `connections.ts`.
      requestTimeout: 0,
      keepAliveTimeout: keepAliveTimeoutMs,
      connectionsCheckingInterval: this.#checkEveryMs,
      // Checked in framing.ts, where the refusal is a problem document.
      requireHostHeader: false,
    });
    this.#server.timeout = STALLED_MS;
    // No header is dropped silently: their size is the limit.
    this.#server.maxHeadersCount = 0;
    const released = (response: ServerResponse) => this.#release(response);
    this.#onClose = function () {
      released(this);
    };
    this.#listen();
  }

  /** The TCP port in use; 0 before `start`. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Listen. Rejects with a sentence that names the variable when the port cannot be had. */
  start(): Promise<void> {
    const { port, host } = this.#options;
    this.#checking ??= setInterval(() => this.#refuseOverdue(), this.#checkEveryMs).unref();
    this.#started ??= new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => reject(whyNotListening(error, port, host)));
      this.#server.listen(port, host, resolve);
    });
    return this.#started;
  }

  /** Stop accepting, finish what is being answered, and end every connection at the deadline. */
  stop(deadline: Deadline): Promise<void> {
    this.#stopped ??= this.#stop(deadline);
    return this.#stopped;
  }

  #listen(): void {
    const server = this.#server;
    server.on('connection', (socket: Socket) => {
      this.#connections.add(socket);
      socket.once('close', () => this.#connections.remove(socket));
    });
    server.on('request', (request, response) => this.#take(request, response));
    server.on('checkContinue', (request, response) => {
      holdBody(request, () => response.writeContinue());
      this.#take(request, response);
    });
    server.on('checkExpectation', (request, response) =>
      this.#refuse(request, response, 'The only Expect is 100-continue.'),
    );
    server.on('clientError', (error, socket) => {
      this.#clientErrors.refuse(error, socket, this.#connections.waitingOn(socket));
    });
    server.on('connect', (_request, socket) => {
      this.#clientErrors.refuse(new Error('CONNECT'), socket, this.#connections.waitingOn(socket));
    });
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    this.#connections.take(request, response);
    response.on('close', this.#onClose);
    if (this.#stopped !== undefined) this.#sayGoodbye(response);
    const problem = framingProblem(request);
    if (problem === undefined) this.#app(request, response);
    else this.#refuse(request, response, problem);
  }

  #release(response: ServerResponse): void {
    this.#connections.release(response);
    if (this.#stopped !== undefined) this.#server.closeIdleConnections();
  }

  #refuse(request: IncomingMessage, response: ServerResponse, why: string): void {
    new Exchange(this.#setting, request, response).fail(new AppError('bad-request', why), { close: true });
  }

  #refuseOverdue(): void {
    for (const socket of this.#connections.overdue(this.#requestTimeoutMs)) {
      this.#clientErrors.refuse(new RequestTimeout(), socket, this.#connections.waitingOn(socket));
    }
  }

  #sayGoodbye(response: ServerResponse): void {
    if (!response.headersSent) response.shouldKeepAlive = false;
    endStream(response, new AppError('shutting-down', 'This process is stopping.', { retryAfterSeconds: 1 }));
  }

  async #stop(deadline: Deadline): Promise<void> {
    const enough = new AbortController();
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    }).then(() => enough.abort());
    for (const socket of this.#connections.sockets()) {
      const last = this.#connections.waitingOn(socket).at(-1);
      if (last !== undefined) this.#sayGoodbye(last);
    }
    this.#server.closeIdleConnections();
    await pause(deadline.leftMs, enough.signal);
    for (const socket of this.#connections.sockets()) socket.destroy();
    await closed;
    clearInterval(this.#checking);
  }
}

function whyNotListening(error: NodeJS.ErrnoException, port: number, host: string): Error {
  if (error.code === 'EADDRINUSE') {
    return new BootError(`Port ${port} on ${host} is taken by another process. Set PORT to a free one.`, {
      cause: error,
    });
  }
  if (error.code === 'EACCES') {
    return new BootError(`Port ${port} on ${host} needs more rights. Set PORT to one above 1023.`, { cause: error });
  }
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') {
    return new BootError(`This machine has no address ${host}. Set HOST to one that it has.`, { cause: error });
  }
  return error;
}
