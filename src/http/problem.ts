/**
 * Refusals and failures as RFC 9457 documents (`application/problem+json`).
 *
 * Promises: whatever was thrown becomes a code from the one table; the message and stack of an unexpected error never
 * leave the process; a document is at most 3 KB (4 KB with its headers), valid JSON, with at most 20 problems and then
 * a count. `type` is a reference to the service itself, `/errors/<code>`, and means the same as `code`.
 */

import { AppError, ERRORS, type ErrorCode, isAppError, type Problem } from '../errors.ts';

/** The media type of every refusal. */
export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

/** Bytes of a document; leaves 1 KB for the status line and headers. */
const MAX_DOCUMENT_BYTES = 3072;
/** Bytes of a refusal inside a longer answer. */
const MAX_MEMBER_BYTES = 2048;
const MAX_SHOWN = 20;
const MAX_DETAIL_BYTES = 640;
const MAX_POINTER_BYTES = 256;
const MAX_MESSAGE_BYTES = 256;
/** Bytes of `],"moreProblems":1000}`, rounded up. */
const TAIL_BYTES = 40;

/** Codes for the statuses that Express and its middleware give their own errors; any other 4xx is a bad request. */
const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not-found',
  413: 'body-too-large',
  415: 'unsupported-media-type',
};

/** Anything thrown as an `AppError`: itself, a client's mistake that Express found, or `internal` with it as the cause. */
export function toAppError(error: unknown): AppError {
  if (isAppError(error)) return error;
  const status = statusOf(error);
  if (status === undefined || status < 400 || status > 499) {
    return new AppError('internal', ERRORS.internal.cure, { cause: error });
  }
  const code = CODE_OF_STATUS[status] ?? 'bad-request';
  return new AppError(code, ERRORS[code].cure, { cause: error });
}

function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('status' in error)) return undefined;
  return typeof error.status === 'number' ? error.status : undefined;
}

/** The JSON text of the document for `error`. */
export function problemDocument(error: AppError, requestId: string): string {
  const { status, title, cure } = ERRORS[error.code];
  const head = JSON.stringify({
    type: `/errors/${error.code}`,
    title,
    status,
    detail: clipped(error.code === 'internal' ? cure : error.message, MAX_DETAIL_BYTES),
    code: error.code,
    requestId,
  });
  return withProblems(head, error.problems, MAX_DOCUMENT_BYTES);
}

/** The JSON text of a refusal inside a longer answer: `code`, `detail` and `problems`; at most 2 KB. */
export function problemMember(error: AppError): string {
  const detail = clipped(error.code === 'internal' ? ERRORS.internal.cure : error.message, MAX_DETAIL_BYTES);
  return withProblems(JSON.stringify({ code: error.code, detail }), error.problems, MAX_MEMBER_BYTES);
}

/** The JSON object `head` with the member `problems`, as many as fit, and how many more there are. */
function withProblems(head: string, problems: readonly Problem[], maxBytes: number): string {
  if (problems.length === 0) return head;
  const shown: string[] = [];
  let left = maxBytes - Buffer.byteLength(head) - TAIL_BYTES;
  for (const problem of problems.slice(0, MAX_SHOWN)) {
    const text = JSON.stringify({
      pointer: clipped(problem.pointer, MAX_POINTER_BYTES),
      message: clipped(problem.message, MAX_MESSAGE_BYTES),
    });
    left -= Buffer.byteLength(text) + 1;
    if (left < 0) break;
    shown.push(text);
  }
  const more = problems.length - shown.length;
  return `${head.slice(0, -1)},"problems":[${shown.join(',')}]${more > 0 ? `,"moreProblems":${more}` : ''}}`;
}

/** The headers that the error itself asks for: `Retry-After` in whole seconds, `Allow` and the like. */
export function problemHeaders(error: AppError): Readonly<Record<string, string>> {
  if (error.retryAfterSeconds === undefined) return error.headers;
  return { ...error.headers, 'Retry-After': String(Math.max(1, Math.ceil(error.retryAfterSeconds))) };
}

/** `text`, cut so that it takes at most `maxBytes` inside JSON; a character is never split. */
export function clipped(text: string, maxBytes: number): string {
  let left = maxBytes;
  let end = 0;
  for (const character of text) {
    const next = left - bytesInJson(character);
    if (next < 0) return `${text.slice(0, end).trimEnd()}…`;
    // Room for the ellipsis is kept: the cut is where it still fits.
    if (next >= 3) end += character.length;
    left = next;
  }
  return text;
}

function bytesInJson(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  if (code === 0x22 || code === 0x5c) return 2;
  if (code < 0x20 || (code >= 0xd800 && code <= 0xdfff)) return 6;
  return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}
