/**
 * What a provider's refusal means, as a table over its HTTP status.
 *
 *   429, 503 with Retry-After            provider-busy      later, no attempt spent
 *   408, 409, 425, 429, 500 and above    provider-failed    again with backoff
 *   anything else                        provider-refused   for good
 */

import { AppError } from '../errors.ts';

/** Longest that a provider may put us off. */
const MOST_SECONDS = 3600;
const AGAIN = new Set([408, 409, 425, 429]);
const SAID_CHARACTERS = 300;

/** `said`: the beginning of its body. `nowMs`: milliseconds since 1970. */
export function refusalOf(status: number, retryAfter: string | null, said: string, nowMs: number): AppError {
  const seconds = secondsOf(retryAfter, nowMs);
  const message = messageIn(said);
  const detail = `The provider answered ${status}${message === '' ? '' : `: ${message}`}`;
  if ((status === 429 || status === 503) && seconds !== undefined) {
    return new AppError('provider-busy', detail, { retryAfterSeconds: seconds });
  }
  if (AGAIN.has(status) || status >= 500) return new AppError('provider-failed', detail);
  const hint = status === 401 || status === 403 ? ' Is its key right?' : '';
  return new AppError('provider-refused', detail + hint);
}

/** Retry-After in seconds: a number, or a date. Undefined when it is neither. */
function secondsOf(text: string | null, nowMs: number): number | undefined {
  if (text === null) return undefined;
  const trimmed = text.trim();
  const seconds = /^\d{1,9}(\.\d{1,3})?$/.test(trimmed) ? Number(trimmed) : (Date.parse(trimmed) - nowMs) / 1000;
  if (Number.isNaN(seconds)) return undefined;
  return Math.min(MOST_SECONDS, Math.max(0.1, seconds));
}

/** What an error body says, as one line; nothing of a page of HTML. */
function messageIn(said: string): string {
  const quoted = /"message"\s*:\s*("(?:[^"\\]|\\.)*")/.exec(said)?.[1];
  const text = quoted === undefined ? (said.trimStart().startsWith('<') ? '' : said) : unquoted(quoted);
  return text
    .replace(/[\p{Cc}\p{Cs}\s]+/gu, ' ')
    .trim()
    .slice(0, SAID_CHARACTERS);
}

function unquoted(json: string): string {
  try {
    return String(JSON.parse(json));
  } catch {
    return json;
  }
}
