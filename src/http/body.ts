/**
 * Request bodies: bytes from the socket to the text of one JSON document.
 *
 * Promises: at most 256 KB is held, before and after decoding, whatever the headers claim; a declared length over that
 * is refused unread; a client that goes away mid-body ends the read quietly. A body in one piece is not copied.
 * A byte order mark is refused (as malformed JSON), not stripped: the same document has the same bytes for everybody.
 */

import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { AppError } from '../errors.ts';
import { decoderFor } from './content-encoding.ts';

/** The most bytes a body may have, as sent and once decoded. */
export const MAX_BODY_BYTES = 262_144;

const JSON_TYPE = /^application\/json[ \t]*(?:;[ \t]*charset[ \t]*=[ \t]*(?:utf-8|"utf-8")[ \t]*)?;?$/i;

const NOTHING = Buffer.alloc(0);

/** Does the client send a body, or promise one? */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || declaredBytes(headers) > 0;
}

/** Content-Length in bytes; 0 when there is none. */
export function declaredBytes(headers: IncomingMessage['headers']): number {
  return Number(headers['content-length'] ?? 0);
}

/** The refusal of a body that is over the limit. */
export function tooLarge(): AppError {
  return new AppError('body-too-large', `The body has more than ${MAX_BODY_BYTES} bytes.`);
}

/**
 * The text of a JSON body, not yet parsed. Throws `malformed-json` (empty, not UTF-8), `unsupported-media-type`,
 * `unsupported-encoding`, `undecodable-body` or `body-too-large`; `bad-request` when the client went away.
 */
export async function readJsonText(request: IncomingMessage): Promise<string> {
  const { headers } = request;
  if (!hasBody(request)) throw new AppError('malformed-json', 'The body is empty.');
  const type = headers['content-type'];
  if (type !== 'application/json' && !JSON_TYPE.test(type ?? '')) {
    throw new AppError('unsupported-media-type', 'Content-Type must be application/json, in UTF-8.', {
      headers: { Accept: 'application/json' },
    });
  }
  const decode = decoderFor(headers['content-encoding']);
  if (declaredBytes(headers) > MAX_BODY_BYTES) throw tooLarge();
  const sent = await readBytes(request);
  if (sent.length === 0) throw new AppError('malformed-json', 'The body is empty.');
  const bytes = decode === undefined ? sent : await decode(sent, MAX_BODY_BYTES);
  if (!isUtf8(bytes)) throw new AppError('malformed-json', 'The body is not valid UTF-8.');
  return bytes.toString('utf8');
}

function readBytes(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (request.destroyed) return reject(gone());
    let held: Buffer | undefined;
    let size = 0;
    let done = false;
    const onData = (chunk: Buffer) => {
      const before = size;
      size += chunk.length;
      if (size > MAX_BODY_BYTES) {
        done = true;
        request.off('data', onData);
        request.pause();
        reject(tooLarge());
      } else if (held === undefined) {
        held = chunk;
      } else {
        // The first piece is kept as it came; from the second on there is one buffer of our own that doubles.
        if (before === held.length || held.length < size) held = grown(held.subarray(0, before), size);
        chunk.copy(held, before);
      }
    };
    const onGone = () => {
      if (!done) reject(gone());
    };
    request.on('data', onData);
    request.on('end', () => {
      done = true;
      resolve(held === undefined ? NOTHING : held.subarray(0, size));
    });
    request.on('error', onGone);
    request.on('close', onGone);
  });
}

function gone(): AppError {
  return new AppError('bad-request', 'The connection closed before the body was complete.');
}

function grown(held: Buffer, atLeast: number): Buffer {
  const larger = Buffer.allocUnsafe(Math.min(MAX_BODY_BYTES, Math.max(atLeast, held.length * 2)));
  held.copy(larger);
  return larger;
}
