/**
 * `Content-Encoding`: compressed bodies back to bytes.
 *
 * Promises: the result never passes the limit (a bomb stops there, 413); truncated, damaged or trailing bytes are 400;
 * an encoding that is not gzip, deflate (with its zlib wrapper, as RFC 9110 says) or br, or a list of them, is 415.
 */

import { brotliDecompress, gunzip, inflate, type ZlibOptions } from 'node:zlib';
import { AppError } from '../errors.ts';

/** With `info: true` the callback gets this instead of a bare buffer. */
interface Decoded {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

type Decompress = (
  bytes: Buffer,
  options: ZlibOptions,
  done: (error: NodeJS.ErrnoException | null, result: unknown) => void,
) => void;

const DECODERS: ReadonlyMap<string, Decompress> = new Map([
  ['gzip', gunzip],
  ['x-gzip', gunzip],
  ['deflate', inflate],
  ['br', brotliDecompress],
]);

/** Undo `Content-Encoding`; give it the header's value, and the bytes once they are all there. */
export type Decoder = (bytes: Buffer, maxBytes: number) => Promise<Buffer>;

/** The decoder for a header value; undefined when there is nothing to undo. Throws `unsupported-encoding`. */
export function decoderFor(contentEncoding: string | undefined): Decoder | undefined {
  const name = contentEncoding?.trim().toLowerCase();
  if (name === undefined || name === '' || name === 'identity') return undefined;
  const decompress = DECODERS.get(name);
  if (decompress === undefined) {
    throw new AppError(
      'unsupported-encoding',
      'Content-Encoding may be identity, gzip, deflate or br, one of them once.',
      {
        headers: { 'Accept-Encoding': 'gzip, deflate, br' },
      },
    );
  }
  return (bytes, maxBytes) => decode(decompress, bytes, maxBytes);
}

function decode(decompress: Decompress, bytes: Buffer, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    decompress(bytes, { maxOutputLength: maxBytes, info: true }, (error, result) => {
      if (error?.code === 'ERR_BUFFER_TOO_LARGE') {
        reject(new AppError('body-too-large', `The body has more than ${maxBytes} bytes once decoded.`));
      } else if (error !== null || !isDecoded(result)) {
        reject(new AppError('undecodable-body', 'The body ends too early or is damaged.', { cause: error }));
      } else if (result.engine.bytesWritten !== bytes.length) {
        reject(new AppError('undecodable-body', 'There are bytes after the end of the compressed data.'));
      } else {
        resolve(result.buffer);
      }
    });
  });
}

function isDecoded(result: unknown): result is Decoded {
  return typeof result === 'object' && result !== null && 'engine' in result && 'buffer' in result;
}
