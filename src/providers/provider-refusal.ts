/**
 * What the refusal of a service that speaks an OpenAI protocol means, as a table over its HTTP status.
 *
 *   429; 503 with Retry-After     provider-busy      later, no attempt spent: after Retry-After, else after 10 s
 *   408, 409, 425; 500 and above  provider-failed    again with backoff
 *   429 of an empty account       provider-refused   for good: waiting fills no account
 *   anything else                 provider-refused   for good
 *
 * Promises: the detail says whose fault it is and what to look at; of the body 4 KB are read and 300 characters shown,
 * of the key nothing.
 */

import { AppError } from '../errors.ts';
import { beginningOf } from './provider-answer.ts';

export interface Provider {
  /** Begins the detail: `The provider`. */
  readonly who: string;
  readonly apiKey: string | undefined;
  /** The variables that say where it is, who we are and what we ask for. */
  readonly variables: { readonly url: string; readonly key: string; readonly model: string };
}

/** Seconds until a busy service is asked again: when it does not say, at least, and at most. */
const BUSY_SECONDS = { unsaid: 10, least: 1, most: 3600 } as const;
const AGAIN = new Set([408, 409, 425]);
/** What an account without credit is called; some say it with a 429, as if it would pass. */
const NO_CREDIT = /"(?:code|type)"\s*:\s*"(?:insufficient_quota|billing_hard_limit_reached|insufficient_balance)"/;
const READ_BYTES = 4096;
const SHOWN_CHARACTERS = 300;

/** What an answer that is no success means. The status decides, also when the body breaks off. */
export async function refusalOf(response: Response, provider: Provider): Promise<AppError> {
  const { status, headers } = response;
  const said = await beginningOf(response, READ_BYTES).then(
    ({ text }) => text,
    () => '',
  );
  const message = messageIn(said, provider.apiKey);
  const answer = `${provider.who} answered ${status}${message === '' ? '.' : `: ${closed(message)}`}`;
  const isEmpty = status === 402 || NO_CREDIT.test(said);
  const seconds = secondsOf(headers.get('retry-after'), Date.now());
  if (!isEmpty && (status === 429 || (status === 503 && seconds !== undefined))) {
    const retryAfterSeconds = seconds ?? BUSY_SECONDS.unsaid;
    return new AppError('provider-busy', `${answer} It has too much to do.`, { retryAfterSeconds });
  }
  if (AGAIN.has(status) || status >= 500) return new AppError('provider-failed', `${answer} The trouble is its own.`);
  return new AppError('provider-refused', `${answer} ${cureOf(isEmpty ? 402 : status, provider)}`);
}

/** Whose fault a refusal for good is, and what to look at. */
function cureOf(status: number, { variables: { url, key, model } }: Provider): string {
  if (status === 402) return `Our account there has no credit left: fill it up, or change ${key}.`;
  if (status === 401 || status === 403) return `Our key is not good for this: look at ${key}.`;
  if (status < 400) return `Redirects are not followed: look at ${url}.`;
  if (status === 404 || status === 405) return `What we ask for is not there: look at ${url} and ${model}.`;
  return `It does not take this request: change the job, or look at ${model}.`;
}

/** Retry-After in seconds from now: a number, or a date. Undefined when it is neither. */
function secondsOf(header: string | null, nowMs: number): number | undefined {
  const text = header?.trim() ?? '';
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : (Date.parse(text) - nowMs) / 1000;
  if (Number.isNaN(seconds)) return undefined;
  return Math.min(BUSY_SECONDS.most, Math.max(BUSY_SECONDS.least, Math.ceil(seconds)));
}

/** What an error body says, as one line without the key; nothing of a page of HTML. */
function messageIn(said: string, apiKey: string | undefined): string {
  const quoted = /"message"\s*:\s*("(?:[^"\\]|\\.)*")/.exec(said)?.[1];
  const text = quoted === undefined ? (said.trimStart().startsWith('<') ? '' : said) : unquoted(quoted);
  const line = text.replace(/[\p{Cc}\p{Cs}\s]+/gu, ' ').trim();
  return (apiKey === undefined ? line : line.replaceAll(apiKey, '…')).slice(0, SHOWN_CHARACTERS);
}

/** With a full stop, so that another sentence may follow. */
function closed(message: string): string {
  return /[.!?…]$/.test(message) ? message : `${message}.`;
}

function unquoted(json: string): string {
  try {
    return String(JSON.parse(json));
  } catch {
    return json;
  }
}
