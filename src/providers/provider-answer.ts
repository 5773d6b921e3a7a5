/** Answers of somebody else's service, read with care: a bounded body, and when to come again. */

import { AppError } from '../errors.ts';

/** Seconds to wait when a service is busy and does not say how long, and at most. */
const WAIT_SECONDS = 10;
const MOST_WAIT_SECONDS = 3600;

/** The body as text. Throws `provider-failed`, and reads no further, once it has more bytes than `most`. */
export async function readBounded(response: Response, most: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  // Leaving the loop cancels the body, and with it the connection.
  for await (const piece of response.body ?? []) {
    bytes += piece.length;
    if (bytes > most) throw new AppError('provider-failed', `The service answered with more than ${most} bytes.`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** What Retry-After says, in seconds from now: 1 to 3600, and 10 when it says nothing. */
export function retryAfterSeconds(headers: Headers, nowMs = Date.now()): number {
  const value = headers.get('retry-after') ?? '';
  const seconds = /^\d+$/.test(value) ? Number(value) : Math.ceil((Date.parse(value) - nowMs) / 1000);
  return Number.isNaN(seconds) ? WAIT_SECONDS : Math.min(MOST_WAIT_SECONDS, Math.max(1, seconds));
}
