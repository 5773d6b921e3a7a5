/**
 * JSON pointers (RFC 6901): where in a body something is wrong.
 *
 * Promises: work and result are bounded, so that a hostile key of 200 KB costs no more than a name of a person.
 */

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
