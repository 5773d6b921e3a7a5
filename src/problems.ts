/**
 * What is wrong with an input, and where: one problem per mistake, each with an RFC 6901 pointer.
 *
 * Promises: work and result are bounded, so that a hostile key of 200 KB costs no more than a name of a person.
 */

import type { z } from 'zod';
import type { Problem } from './errors.ts';

/** Most problems that are worth collecting: an answer shows 20 and counts the rest. */
const MOST_PROBLEMS = 1000;

/** Turn a zod error into problems. `prefix` is the pointer of the value that was parsed; default: the whole document. */
export function problemsFromZod(error: z.ZodError, prefix = ''): Problem[] {
  return error.issues.slice(0, MOST_PROBLEMS).flatMap((issue) => {
    const at = prefix + pointerTo(issue.path);
    if (issue.code !== 'unrecognized_keys') return [{ pointer: at, message: issue.message }];
    return issue.keys
      .slice(0, MOST_PROBLEMS)
      .map((key) => ({ pointer: at + pointerTo([key]), message: 'This field is not known here.' }));
  });
}

/** Characters of one segment that are kept; no honest field name is longer. */
const MAX_SEGMENT_CHARACTERS = 128;

/** The RFC 6901 pointer to `path`: `['tags', 3]` is `/tags/3`, the whole document is the empty text. */
export function pointerTo(path: readonly PropertyKey[]): string {
  let pointer = '';
  for (const segment of path) pointer += `/${escapeSegment(String(segment))}`;
  return pointer;
}

function escapeSegment(segment: string): string {
  const name = segment.length > MAX_SEGMENT_CHARACTERS ? `${segment.slice(0, MAX_SEGMENT_CHARACTERS)}…` : segment;
  return name.includes('~') || name.includes('/') ? name.replaceAll('~', '~0').replaceAll('/', '~1') : name;
}
