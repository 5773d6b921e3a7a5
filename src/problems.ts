/** What a zod error means to a caller: one problem per mistake, each with an RFC 6901 pointer. */

import type { z } from 'zod';
import type { Problem } from './errors.ts';

/** Most problems that are worth collecting: an answer shows 20 and counts the rest. */
const MOST_PROBLEMS = 1000;

/** Turn a zod error into problems. `prefix` is the pointer of the value that was parsed; default: the whole document. */
export function problemsFromZod(error: z.ZodError, prefix = ''): Problem[] {
  return error.issues.slice(0, MOST_PROBLEMS).flatMap((issue) => {
    const at = issue.path.reduce<string>((pointer, part) => `${pointer}/${escapePart(part)}`, prefix);
    if (issue.code !== 'unrecognized_keys') return [{ pointer: at, message: issue.message }];
    return issue.keys
      .slice(0, MOST_PROBLEMS)
      .map((key) => ({ pointer: `${at}/${escapePart(key)}`, message: 'This field is not known here.' }));
  });
}

function escapePart(part: PropertyKey): string {
  return String(part).replaceAll('~', '~0').replaceAll('/', '~1');
}
