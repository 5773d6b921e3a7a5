/** Why the journal takes nothing, in the words of `src/errors.ts`. */

import { AppError } from '../errors.ts';

/** Why a disk has no room: full, over quota, or a file that may not grow. */
const NO_ROOM = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** What the caller is told when the disk does not take a job. */
export function refusal(error: unknown): AppError {
  if (error instanceof AppError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  if (NO_ROOM.has(code)) return full(`The disk of the journal has no room (${code}).`, error);
  return new AppError('journal-unwritable', `The journal cannot be written (${code}).`, {
    cause: error,
    retryAfterSeconds: 2,
  });
}

/** The journal has no room; the detail names the limit. */
export function full(detail: string, cause?: unknown): AppError {
  return new AppError('journal-full', detail, { cause, retryAfterSeconds: 2 });
}
