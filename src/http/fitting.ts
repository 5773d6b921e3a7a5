/** From text to a value that fits its schema, or to the refusal that says where it does not. */

import type { z } from 'zod';
import { AppError, type Problem } from '../errors.ts';
import { problemsFromZod } from '../problems.ts';
import { parseStrictJson } from './strict-json.ts';

/** The value of a JSON text. Throws `malformed-json` or `invalid-input`; `what` names the text: `body`, `line`, `job`. */
export function jsonOf(text: string, what: string): unknown {
  const parsed = parseStrictJson(text);
  if (parsed.ok) return parsed.value;
  if (parsed.code === 'invalid-input') throw refused(`The ${what} is wrong.`, parsed.problems);
  throw new AppError('malformed-json', `The ${what} ${parsed.problems[0]?.message ?? 'is not valid JSON'}.`);
}

/** `value` as its schema gives it. Throws `invalid-input` with one problem per mistake; `place` rewrites the pointers. */
export function fitting<T>(
  schema: z.ZodType<T>,
  value: unknown,
  detail: string,
  place = (pointer: string) => pointer,
): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = problemsFromZod(result.error);
  throw refused(
    detail,
    problems.map(({ pointer, message }) => ({ pointer: place(pointer), message })),
  );
}

/** An `invalid-input` with these problems. */
export function refused(detail: string, problems: readonly Problem[]): AppError {
  return new AppError('invalid-input', detail, { problems });
}
