/** `Range` of one file (RFC 9110): which part is asked for. Pure. */

/** First and last byte, both included. */
export interface Part {
  readonly start: number;
  readonly end: number;
}

const ONE_RANGE = /^bytes=(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))$/;

/**
 * The part of a file of `bytes` bytes that a header names; `all` without one, or when it is not understood (several
 * parts among them: that is allowed, and spares us the multipart answer); `none` when no byte of it is there.
 */
export function partOf(header: string | undefined, bytes: number): Part | 'all' | 'none' {
  const found = ONE_RANGE.exec(header ?? '');
  if (found === null) return 'all';
  const [, first, last, suffix] = found;
  if (suffix !== undefined) {
    const length = Math.min(Number(suffix), bytes);
    return length === 0 ? 'none' : { start: bytes - length, end: bytes - 1 };
  }
  const start = Number(first);
  const end = last === '' ? bytes - 1 : Math.min(Number(last), bytes - 1);
  if (last !== '' && Number(last) < start) return 'all';
  return start >= bytes ? 'none' : { start, end };
}
