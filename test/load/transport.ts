/**
 * Calls over a bounded number of kept connections.
 *
 * Promises: a call never rejects and never outlives its time; what went wrong is a code; at most 1 MB of an answer is
 * kept, and of an answer that nobody reads nothing.
 */

import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';

/** What came of a call. `status` 0: no answer, and `code` says why. */
export interface Reply {
  readonly status: number;
  readonly code?: NoAnswer;
  /** Present when it was asked for. */
  readonly text?: string;
}

/** Why there was no answer. `cancelled`: we ended the call ourselves. */
export type NoAnswer =
  | 'connection-refused'
  | 'connection-reset'
  | 'connection-failed'
  | 'host-unknown'
  | 'timed-out'
  | 'cancelled'
  | 'not-http';

export interface Call {
  readonly method: 'GET' | 'POST';
  /** With a leading slash; goes after the path of the service's URL. */
  readonly path: string;
  readonly body?: string;
  /** Media type of the body; JSON unless told. */
  readonly contentType?: string;
  readonly timeoutMs: number;
  /** Which answers are read; all unless told. */
  readonly reads?: (status: number) => boolean;
}

export interface ConnectionsOptions {
  readonly url: URL;
  readonly most: number;
  readonly apiKey?: string | undefined;
}

const MOST_TEXT = 1024 * 1024;

const CODES: Readonly<Record<string, NoAnswer>> = {
  ECONNREFUSED: 'connection-refused',
  ECONNRESET: 'connection-reset',
  EPIPE: 'connection-reset',
  ENOTFOUND: 'host-unknown',
  EAI_AGAIN: 'host-unknown',
  ETIMEDOUT: 'timed-out',
};

export class Connections {
  readonly #url: URL;
  readonly #agent: http.Agent;
  readonly #request: typeof http.request;
  readonly #headers: Readonly<Record<string, string>>;
  #closed = false;

  constructor({ url, most, apiKey }: ConnectionsOptions) {
    const secure = url.protocol === 'https:';
    const options = { keepAlive: true, maxSockets: most, maxFreeSockets: most };
    this.#url = url;
    this.#agent = secure ? new https.Agent(options) : new http.Agent(options);
    this.#request = secure ? https.request : http.request;
    this.#headers = {
      accept: 'application/json',
      'user-agent': 'millrace-load',
      ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
    };
  }

  call({ method, path, body, contentType = 'application/json', timeoutMs, reads = () => true }: Call): Promise<Reply> {
    if (this.#closed) return Promise.resolve({ status: 0, code: 'cancelled' });
    return new Promise((resolve) => {
      const { hostname, port } = this.#url;
      const request = this.#request({
        agent: this.#agent,
        method,
        // An IPv6 address stands in brackets in a URL, and without them here.
        hostname: hostname.replace(/^\[(.*)\]$/, '$1'),
        port,
        path: this.#url.pathname.replace(/\/$/, '') + path,
        headers: {
          ...this.#headers,
          ...(body !== undefined && { 'content-type': contentType, 'content-length': Buffer.byteLength(body) }),
        },
      });
      const end = (reply: Reply) => {
        clearTimeout(timer);
        resolve(reply);
      };
      const timer = setTimeout(() => {
        end({ status: 0, code: 'timed-out' });
        request.destroy();
      }, timeoutMs);
      request.on('error', (error) => end({ status: 0, code: this.#codeOf(error) }));
      request.on('response', (response) => this.#read(response, reads(response.statusCode ?? 0), end));
      request.end(body);
    });
  }

  /** End every connection, also those in use: their calls, and all later ones, end as `cancelled`. */
  close(): void {
    this.#closed = true;
    this.#agent.destroy();
  }

  #read(response: IncomingMessage, keeps: boolean, end: (reply: Reply) => void): void {
    const status = response.statusCode ?? 0;
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (keeps && bytes <= MOST_TEXT) chunks.push(chunk);
    });
    response.on('end', () => end(keeps ? { status, text: Buffer.concat(chunks).toString() } : { status }));
    response.on('error', (error) => end({ status: 0, code: this.#codeOf(error) }));
  }

  #codeOf(error: Error): NoAnswer {
    if (this.#closed) return 'cancelled';
    const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
    if (code.startsWith('HPE_')) return 'not-http';
    return CODES[code] ?? 'connection-failed';
  }
}
