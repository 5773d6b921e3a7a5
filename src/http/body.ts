/**
 * Request bodies: bytes from the socket to the text of one JSON document.
 *
 * Promises: no more than the route's limit is held, before and after decoding, whatever the headers claim; a declared
 * length over that is refused unread; a client that goes away mid-body ends the read quietly. A body in one piece is not
 * copied, and one that came with its head is not waited for. A byte order mark is refused (as malformed JSON), not
 * stripped: the same document has the same bytes for everybody.
 */

import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { AppError } from '../errors.ts';
import { decoderFor } from './content-encoding.ts';
import { askForBody } from './expectation.ts';

/** The most bytes a body may have unless its route says otherwise, as sent and once decoded; also those of one line. */
export const MAX_BODY_BYTES = 262_144;

const JSON_TYPE = /^application\/json[ \t]*(?:;[ \t]*charset[ \t]*=[ \t]*(?:utf-8|"utf-8")[ \t]*)?;?$/i;
const LINES_TYPE = /^application\/(?:x-)?ndjson[ \t]*(?:;[ \t]*charset[ \t]*=[ \t]*(?:utf-8|"utf-8")[ \t]*)?;?$/i;

const NOTHING = Buffer.alloc(0);

/** Does the client send a body, or promise one? */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || declaredBytes(headers) > 0;
}

/** Content-Length in bytes; 0 when there is none. */
export function declaredBytes(headers: IncomingMessage['headers']): number {
  const length = headers['content-length'];
  return length === undefined ? 0 : Number(length);
}

/**
 * The text of a JSON body, not yet parsed. Throws `malformed-json` (empty, not UTF-8), `unsupported-media-type`,
 * `unsupported-encoding`, `undecodable-body` or `body-too-large`; `bad-request` when the client went away.
 */
export async function readJsonText(request: IncomingMessage, maxBytes = MAX_BODY_BYTES): Promise<string> {
  const { headers } = request;
  if (!hasBody(request)) throw new AppError('malformed-json', 'The body is empty.');
  const type = headers['content-type'];
  if (type !== 'application/json' && !JSON_TYPE.test(type ?? '')) throw wrongType('application/json');
  const decode = decoderFor(headers['content-encoding']);
  if (declaredBytes(headers) > maxBytes) throw tooLarge(maxBytes);
  const sent = arrivedBytes(request) ?? (await readBytes(request, maxBytes));
  if (sent.length === 0) throw new AppError('malformed-json', 'The body is empty.');
  const bytes = decode === undefined ? sent : await decode(sent, maxBytes);
  if (!isUtf8(bytes)) throw new AppError('malformed-json', 'The body is not valid UTF-8.');
  return bytes.toString('utf8');
}

/** Throws `unsupported-media-type` or `unsupported-encoding` unless the body is a stream of plain JSON lines. */
export function requireLines({ headers }: IncomingMessage): void {
  if (!LINES_TYPE.test(headers['content-type'] ?? '')) throw wrongType('application/x-ndjson');
  if (decoderFor(headers['content-encoding']) === undefined) return;
  throw new AppError('unsupported-encoding', 'A stream of lines may not be compressed.', {
    headers: { 'Accept-Encoding': 'identity' },
  });
}

/** Throws unless the body may be one file of at most `maxBytes`: there, not a form, and not compressed on the way. */
export function requireFile({ headers }: IncomingMessage, maxBytes: number): void {
  // What `curl --data-binary` calls a form is one file, this is not.
  if (/^multipart\//i.test(headers['content-type'] ?? '')) {
    throw new AppError('unsupported-media-type', 'Send the bytes of the file as the body, not as a form.');
  }
  if (decoderFor(headers['content-encoding']) !== undefined) {
    throw new AppError('unsupported-encoding', 'A file may not be compressed on the way.', {
      headers: { 'Accept-Encoding': 'identity' },
    });
  }
  if (declaredBytes(headers) > maxBytes) {
    throw new AppError('media-too-large', `The file has more than ${maxBytes} bytes (MEDIA_MAX_BYTES).`);
  }
}

function wrongType(wanted: string): AppError {
  return new AppError('unsupported-media-type', `Content-Type must be ${wanted}, in UTF-8.`, {
    headers: { Accept: wanted },
  });
}

function tooLarge(maxBytes: number): AppError {
  return new AppError('body-too-large', `The body has more than ${maxBytes} bytes.`);
}

/**
 * The body, if all of it is here: a small one comes with its head, and listening until it ends costs more than parsing it.
 * Nobody listens to what is left of the stream, its end; the server goes by its parser.
 */
function arrivedBytes(request: IncomingMessage): Buffer | undefined {
  const declared = declaredBytes(request.headers);
  if (declared === 0 || request.readableLength !== declared) return undefined;
  const bytes: unknown = request.read();
  return Buffer.isBuffer(bytes) ? bytes : undefined;
}

function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (request.destroyed) return reject(gone());
    let held: Buffer | undefined;
    let size = 0;
    let done = false;
    const onData = (chunk: Buffer) => {
      const before = size;
      size += chunk.length;
      if (size > maxBytes) {
        done = true;
        request.off('data', onData);
        request.pause();
        reject(tooLarge(maxBytes));
      } else if (held === undefined) {
        held = chunk;
      } else {
        // The first piece is kept as it came; from the second on there is one buffer of our own that doubles.
        if (before === held.length || held.length < size) held = grown(held.subarray(0, before), size, maxBytes);
        chunk.copy(held, before);
      }
    };
    request.on('data', onData);
    request.on('end', () => {
      done = true;
      resolve(held === undefined ? NOTHING : held.subarray(0, size));
    });
    // Comes after `end`, or instead of it. A request that nobody listens to for errors has none.
    request.on('close', () => {
      if (!done) reject(gone());
    });
    askForBody(request);
  });
}

function gone(): AppError {
  return new AppError('bad-request', 'The connection closed before the body was complete.');
}

function grown(held: Buffer, atLeast: number, maxBytes: number): Buffer {
  const larger = Buffer.allocUnsafe(Math.min(maxBytes, Math.max(atLeast, held.length * 2)));
  held.copy(larger);
  return larger;
}
