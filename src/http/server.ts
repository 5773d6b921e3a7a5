/**
 * The node HTTP server under the Express app: its limits, its classes, what it refuses before Express, how it stops.
 *
 * Promises: nothing waits for ever (headers 10 s, whole request 30 s, idle connections 65 s); a request that two readers
 * could understand differently is refused; stopping closes idle connections at once, lets answers in progress finish
 * with `Connection: close` until the deadline, and then ends every connection that is left.
 */

import http, { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Express } from 'express';
import { AppError } from '../errors.ts';
import { BootError, type Deadline, type Lifecycle, pause } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { declaredBytes, MAX_BODY_BYTES } from './body.ts';
import { ClientErrors } from './client-errors.ts';
import { Exchange, type ExchangeSetting } from './exchange.ts';
import { framingProblem } from './framing.ts';
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
  /** Milliseconds for the whole request to arrive; default 30,000. */
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
  /** Every open connection with the responses that it waits for, oldest first. */
  readonly #connections = new Map<Duplex, Set<ServerResponse>>();
  #started: Promise<void> | undefined;
  #stopped: Promise<void> | undefined;

  constructor({ app, logger }: { app: Express; logger: Logger }, options: HttpServerOptions) {
    const { headersTimeoutMs = 10_000, requestTimeoutMs = 30_000, keepAliveTimeoutMs = 65_000 } = options;
    this.#app = app;
    this.#options = options;
    this.#setting = { logger, headers: apiSecurityHeaders() };
    this.#clientErrors = new ClientErrors(this.#setting);
    this.#server = http.createServer({
      ...stablePrototypes(app),
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveTimeoutMs,
      connectionsCheckingInterval: Math.min(1000, headersTimeoutMs),
      // Checked in framing.ts, where the refusal is a problem document.
      requireHostHeader: false,
    });
    this.#server.timeout = STALLED_MS;
    // No header is dropped silently: their size is the limit.
    this.#server.maxHeadersCount = 0;
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
      this.#connections.set(socket, new Set());
      socket.once('close', () => this.#forget(socket));
    });
    server.on('request', (request, response) => this.#take(request, response));
    server.on('checkContinue', (request, response) => {
      // A body that is refused by its length is not asked for.
      if (declaredBytes(request.headers) <= MAX_BODY_BYTES) response.writeContinue();
      this.#take(request, response);
    });
    server.on('checkExpectation', (request, response) =>
      this.#refuse(request, response, 'The only Expect is 100-continue.'),
    );
    server.on('clientError', (error, socket) => {
      this.#clientErrors.refuse(error, socket, this.#connections.get(socket) ?? []);
    });
    server.on('connect', (_request, socket) => {
      this.#clientErrors.refuse(new Error('CONNECT'), socket, this.#connections.get(socket) ?? []);
    });
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const waiting = this.#connections.get(request.socket);
    waiting?.add(response);
    response.once('close', () => {
      waiting?.delete(response);
      if (this.#stopped !== undefined) this.#server.closeIdleConnections();
    });
    if (this.#stopped !== undefined) response.shouldKeepAlive = false;
    const problem = framingProblem(request);
    if (problem === undefined) this.#app(request, response);
    else this.#refuse(request, response, problem);
  }

  #refuse(request: IncomingMessage, response: ServerResponse, why: string): void {
    new Exchange(this.#setting, request, response).fail(new AppError('bad-request', why), { close: true });
  }

  /** Node tells only the response at the head of a closed connection; those queued behind it are told here. */
  #forget(socket: Duplex): void {
    const waiting = this.#connections.get(socket) ?? [];
    this.#connections.delete(socket);
    for (const response of waiting) {
      if (response.socket !== null) continue;
      response.destroy();
      response.emit('close');
    }
  }

  async #stop(deadline: Deadline): Promise<void> {
    const enough = new AbortController();
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    }).then(() => enough.abort());
    for (const waiting of this.#connections.values()) {
      const last = [...waiting].at(-1);
      if (last !== undefined && !last.headersSent) last.shouldKeepAlive = false;
    }
    this.#server.closeIdleConnections();
    await pause(deadline.leftMs, enough.signal);
    for (const socket of this.#connections.keys()) socket.destroy();
    await closed;
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
