/**
 * Downloading what a caller names, without letting them reach what only this machine can reach (SSRF).
 *
 * Promises: https only unless told; no credentials; few ports; a name is resolved once, every address it has must be
 * open (`addresses.ts`), and the connection goes to that very address, so that a second answer of the name server
 * changes nothing; each redirect, at most three, passes the same checks. No cookie, no proxy, no compression, no
 * reuse of a connection. Time and size are limited while it comes in. Refusals never say what was found behind them.
 */

import { lookup } from 'node:dns/promises';
import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { AppError, isAppError } from '../errors.ts';
import { within } from '../lifecycle.ts';
import { isOpenAddress } from './addresses.ts';

const MOST_REDIRECTS = 3;
const MOST_URL_CHARACTERS = 2048;
const RESOLVE_MS = 5000;
/** Milliseconds from the connection to the end of the answer's headers. */
const ANSWER_MS = 10_000;
/** Milliseconds for all of it. */
const TOTAL_MS = 60_000;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** Refusals that may be none tomorrow. */
const PASSING = new Set([408, 425, 429]);

export interface FetchOptions {
  /** The most bytes to take. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

export interface FetcherOptions {
  /** Also plain http, for development. */
  readonly allowHttp: boolean;
  readonly ports: readonly number[];
  /** May this address be reached? The table of `addresses.ts` unless a test says otherwise. */
  readonly isOpen?: (address: string) => boolean;
  /** The addresses of a name; the system's resolver unless a test says otherwise. */
  readonly resolve?: (name: string) => Promise<readonly string[]>;
  /** Certificates to trust besides the system's, for tests. */
  readonly ca?: string;
  readonly totalMs?: number;
}

export class Fetcher {
  readonly #allowHttp: boolean;
  readonly #ports: ReadonlySet<number>;
  readonly #isOpen: (address: string) => boolean;
  readonly #resolve: (name: string) => Promise<readonly string[]>;
  readonly #ca: string | undefined;
  readonly #totalMs: number;

  constructor(options: FetcherOptions) {
    const { allowHttp, ports, isOpen = isOpenAddress, resolve = addressesOf, ca, totalMs = TOTAL_MS } = options;
    this.#allowHttp = allowHttp;
    this.#ports = new Set(ports);
    this.#isOpen = isOpen;
    this.#resolve = resolve;
    this.#ca = ca;
    this.#totalMs = totalMs;
  }

  /**
   * The bytes behind a URL, as they come; the stream throws what happens on the way. Throws `url-refused`,
   * `fetch-refused` (the other server says no), `media-too-large`, or `fetch-failed`, which may go better later.
   */
  async *fetch(url: string, { maxBytes, signal }: FetchOptions): AsyncGenerator<Uint8Array> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(this.#totalMs)]);
    let answer: IncomingMessage | undefined;
    try {
      answer = await this.#follow(url, limit);
      refuseAnswer(answer, maxBytes);
      let bytes = 0;
      for await (const piece of answer as AsyncIterable<Buffer>) {
        bytes += piece.length;
        if (bytes > maxBytes) throw tooLarge(maxBytes);
        yield piece;
      }
      if (!answer.complete) throw new AppError('fetch-failed', 'The other server stopped in the middle.');
    } catch (error) {
      throw asFetchError(error, signal);
    } finally {
      answer?.destroy();
    }
  }

  async #follow(first: string, signal: AbortSignal): Promise<IncomingMessage> {
    let url = parse(first);
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
      const answer = await this.#ask(url, signal);
      const { statusCode = 0, headers } = answer;
      if (!REDIRECTS.has(statusCode) || headers.location === undefined) return answer;
      answer.destroy();
      url = parse(headers.location, url);
    }
    throw new AppError('fetch-refused', `The other server redirects more than ${MOST_REDIRECTS} times.`);
  }

  async #ask(url: URL, signal: AbortSignal): Promise<IncomingMessage> {
    this.#refuseUrl(url);
    const address = await this.#addressOf(url.hostname);
    signal.throwIfAborted();
    const secure = url.protocol === 'https:';
    const name = bare(url.hostname);
    const ask = secure ? requestHttps : requestHttp;
    const sent = ask({
      host: address,
      port: url.port === '' ? (secure ? 443 : 80) : Number(url.port),
      path: url.pathname + url.search,
      method: 'GET',
      agent: false,
      // The address is what we connect to, the name what we ask for and what the certificate must say.
      setHost: false,
      headers: { Host: url.host, Accept: '*/*', 'Accept-Encoding': 'identity', 'User-Agent': 'millrace' },
      signal,
      ...(secure && isIP(name) === 0 && { servername: name }),
      ...(this.#ca !== undefined && { ca: this.#ca }),
    });
    return within(ANSWER_MS, answerTo(sent), () => {
      sent.destroy();
      return new AppError('fetch-failed', 'The other server does not answer in time.');
    });
  }

  #refuseUrl(url: URL): void {
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && this.#allowHttp)) {
      throw refused(this.#allowHttp ? 'It must be an https or http URL.' : 'It must be an https URL.');
    }
    if (url.username !== '' || url.password !== '') throw refused('It may not hold a user or a password.');
    const isName = isIP(bare(url.hostname)) === 0;
    if (isName && !url.hostname.includes('.')) throw refused('Its server has no public name.');
    const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
    if (!this.#ports.has(port)) throw refused(`Port ${port} is not allowed.`);
  }

  /** The one address that we connect to. Every address of the name must be open: which one is used is not ours to say. */
  async #addressOf(hostname: string): Promise<string> {
    const name = bare(hostname);
    const addresses = isIP(name) === 0 ? await this.#resolved(name) : [name];
    const first = addresses[0];
    if (first === undefined) throw new AppError('fetch-failed', 'The name of the other server has no address.');
    if (addresses.every((address) => this.#isOpen(address))) return first;
    throw refused('Its server is not on the public internet.');
  }

  async #resolved(name: string): Promise<readonly string[]> {
    const late = () => new AppError('fetch-failed', 'The name of the other server was not found in time.');
    return within(RESOLVE_MS, this.#resolve(name), late);
  }
}

async function addressesOf(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true, verbatim: true })).map(({ address }) => address);
}

function parse(text: string, base?: URL): URL {
  if (text.length > MOST_URL_CHARACTERS) throw refused(`It has more than ${MOST_URL_CHARACTERS} characters.`);
  if (!URL.canParse(text, base?.href)) throw refused('It is not a URL.');
  return new URL(text, base);
}

/** IPv6 addresses stand in brackets in a URL. */
function bare(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

function answerTo(sent: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    sent.on('response', resolve);
    // Stays: an error after the answer has begun is the stream's to tell, and must not end the process.
    sent.on('error', reject);
    sent.on('upgrade', (_answer, socket) => {
      socket.destroy();
      reject(new AppError('fetch-refused', 'The other server wants another protocol.'));
    });
    sent.end();
  });
}

function refuseAnswer({ statusCode = 0, headers }: IncomingMessage, maxBytes: number): void {
  if (statusCode >= 500 || PASSING.has(statusCode)) {
    throw new AppError('fetch-failed', `The other server answered ${statusCode}.`);
  }
  if (statusCode !== 200) throw new AppError('fetch-refused', `The other server answered ${statusCode}.`);
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw new AppError('fetch-refused', 'The other server compresses, which it was not asked to.');
  }
  if (Number(headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
}

/** Our own errors as they are, the caller's abort as its reason, all else as `fetch-failed`. */
function asFetchError(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (isAppError(error)) return error;
  const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
  return new AppError('fetch-failed', `The file could not be fetched${code}.`, { cause: error });
}

function refused(why: string): AppError {
  return new AppError('url-refused', `The URL is refused. ${why}`);
}

function tooLarge(maxBytes: number): AppError {
  return new AppError('media-too-large', `The file has more than ${maxBytes} bytes.`);
}
