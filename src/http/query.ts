/**
 * Query parameters and percent-encoding, strictly.
 *
 * Promises: a wrong percent escape is `bad-request`; a parameter given twice, a NUL or more than 50 parameters are
 * `invalid-input`. Nothing is guessed: there are no arrays and no nested objects.
 */

import { AppError } from '../errors.ts';

const MAX_PARAMETERS = 50;

/** The parameters of a request target such as `/v1/jobs?wait=30`; `+` is a space. */
export function queryOf(url: string): Readonly<Record<string, string>> {
  const mark = url.indexOf('?');
  if (mark === -1) return {};
  const parameters = new Map<string, string>();
  for (const pair of url.slice(mark + 1).split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decoded(equals === -1 ? pair : pair.slice(0, equals));
    const value = equals === -1 ? '' : decoded(pair.slice(equals + 1));
    if (parameters.has(name)) throw refused(name, 'is given more than once');
    if (name.includes('\0') || value.includes('\0')) throw refused(name, 'holds a NUL character');
    if (parameters.size === MAX_PARAMETERS) throw refused(name, `is one of more than ${MAX_PARAMETERS} parameters`);
    parameters.set(name, value);
  }
  return Object.fromEntries(parameters);
}

/** Throws `bad-request` when the path of a request target cannot be decoded. */
export function checkPath(url: string): void {
  const mark = url.indexOf('?');
  const path = mark === -1 ? url : url.slice(0, mark);
  if (path.includes('%')) decoded(path);
}

function decoded(text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (error) {
    throw new AppError('bad-request', 'The target of the request holds a percent escape that is not UTF-8.', {
      cause: error,
    });
  }
}

function refused(name: string, message: string): AppError {
  return new AppError('invalid-input', 'The query parameters are wrong.', { problems: [{ pointer: name, message }] });
}
