/** An HTTP client that sends bytes as they are, right or wrong, and reports every answer that came back. */

import { connect } from 'node:net';

export type Bytes = string | Buffer;

/** One answer as it was on the wire. */
export interface RawAnswer {
  readonly status: number;
  /** Names in lower case; a repeated header is joined with `, `. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Bytes of status line, headers and body together. */
  readonly size: number;
}

export interface Conversation {
  readonly answers: readonly RawAnswer[];
  /** How many interim answers (1xx) came. */
  readonly interim: number;
  /** The error of the connection, such as `ECONNRESET`; undefined when it was closed in good order. */
  readonly error: string | undefined;
  /** Bytes that are no complete answer. */
  readonly rest: string;
}

export interface SpeakOptions {
  readonly port: number;
  /** Bytes to write, each part once the one before has been flushed. */
  readonly parts: readonly Bytes[];
  /** How many answers are expected: the client says goodbye when it has them. */
  readonly expected: number;
  /** `half`: close our side after the last part and go on reading. `reset`: drop the connection. */
  readonly hangUp?: 'half' | 'reset' | undefined;
  /** Milliseconds until the client gives up. */
  readonly patienceMs?: number;
}

/** Write the parts, read until the server closes, or until it has answered as often as expected and we have closed. */
export function speak({ port, parts, expected, hangUp, patienceMs = 10_000 }: SpeakOptions): Promise<Conversation> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    let received = Buffer.alloc(0);
    let error: string | undefined;
    let written = false;
    const goodbye = () => {
      if (written && expected > 0 && parseAnswers(received).answers.length >= expected) socket.end();
    };
    const patience = setTimeout(() => {
      error = 'no end in time';
      socket.destroy();
    }, patienceMs);
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      goodbye();
    });
    // `end` on our side as soon as theirs is closed would cut off what is still being written.
    socket.on('end', () => written && socket.end());
    socket.on('error', (failure: NodeJS.ErrnoException) => {
      error ??= failure.code ?? failure.message;
    });
    socket.on('close', () => {
      clearTimeout(patience);
      resolve({ ...parseAnswers(received), error });
    });
    socket.on('connect', () => {
      const write = (at: number) => {
        const part = parts[at];
        if (part !== undefined) return void socket.write(part, () => write(at + 1));
        written = true;
        goodbye();
        if (socket.readableEnded) socket.end();
        else if (hangUp === 'half') socket.end();
        else if (hangUp === 'reset') socket.resetAndDestroy();
      };
      write(0);
    });
  });
}

/** Every complete answer in `bytes`; interim ones (1xx) are only counted. */
export function parseAnswers(bytes: Buffer): { answers: RawAnswer[]; interim: number; rest: string } {
  const answers: RawAnswer[] = [];
  let interim = 0;
  let at = 0;
  while (at < bytes.length) {
    const headEnd = bytes.indexOf('\r\n\r\n', at);
    if (headEnd === -1) break;
    const [statusLine = '', ...lines] = bytes.subarray(at, headEnd).toString('latin1').split('\r\n');
    const headers = headersOf(lines);
    const status = Number(statusLine.split(' ')[1]);
    const bodyStart = headEnd + 4;
    const chunked = headers['transfer-encoding'] === 'chunked' ? joinChunks(bytes, bodyStart) : undefined;
    if (chunked === undefined && headers['transfer-encoding'] !== undefined) break;
    const end = chunked?.end ?? bodyStart + Number(headers['content-length'] ?? 0);
    if (end > bytes.length) break;
    const body = (chunked?.body ?? bytes.subarray(bodyStart, end)).toString('utf8');
    if (status < 200) interim++;
    else answers.push({ status, headers, body, size: end - at });
    at = end;
  }
  return { answers, interim, rest: bytes.subarray(at).toString('latin1') };
}

/** The body whose chunks start at `start`, and where it ends; undefined when it is not complete. */
function joinChunks(bytes: Buffer, start: number): { body: Buffer; end: number } | undefined {
  const pieces: Buffer[] = [];
  for (let at = start; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd === -1) return undefined;
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    const next = lineEnd + 2 + size + 2;
    if (!(next <= bytes.length)) return undefined;
    if (size === 0) return { body: Buffer.concat(pieces), end: next };
    pieces.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = next;
  }
}

function headersOf(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
  }
  return headers;
}
