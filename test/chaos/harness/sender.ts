/**
 * A small HTTP client over kept connections: the driver's own, so that it knows of each request whether it was sent.
 *
 * Promises: an answer, or the reason why there is none, within the deadline; a connection that the server wants to
 * close is not used again.
 */

import { Agent, request } from 'node:http';

/** One web process, or the proxy before it. */
export interface Front {
  readonly name: string;
  readonly port: number;
}

export interface Call {
  readonly method: 'POST' | 'DELETE' | 'GET';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | undefined;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** False when the connection broke in the middle of it. */
  readonly whole: boolean;
}

/** No answer came. `unsent`: nobody was there to send it to, so that it cannot have been done. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
  readonly unsent: boolean;

  constructor(cause: NodeJS.ErrnoException) {
    super(cause.code ?? cause.message, { cause });
    this.unsent = cause.code === 'ECONNREFUSED';
  }
}

export class Sender {
  readonly #agent: Agent;
  readonly #deadlineMs: number;

  constructor({ connections, deadlineMs }: { connections: number; deadlineMs: number }) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections, scheduling: 'fifo' });
    this.#deadlineMs = deadlineMs;
  }

  /** Send it. Throws `NoAnswer`. */
  send(front: Front, { method, path, headers = {}, body }: Call): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const failed = (error: Error) => reject(new NoAnswer(error));
      const outgoing = request({
        host: '127.0.0.1',
        port: front.port,
        agent: this.#agent,
        method,
        path,
        headers: {
          ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          ...headers,
        },
        signal: AbortSignal.timeout(this.#deadlineMs),
      });
      outgoing.once('error', failed);
      outgoing.once('response', (incoming) => {
        const parts: Buffer[] = [];
        incoming.on('data', (part: Buffer) => parts.push(part));
        // What came before it was cut off is told all the same; `close` follows on every end.
        incoming.on('error', () => undefined);
        incoming.once('close', () => {
          const text = Buffer.concat(parts).toString();
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text, whole: incoming.complete });
        });
      });
      outgoing.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
