/**
 * Requests that no honest client sends, and what each must be answered: one table, run against a small app in the unit
 * tests and against the whole service.
 *
 * A case is data. `playHostile` sends it over a socket of its own and returns what is wrong with the answers as
 * sentences: none, when every refusal is a small, complete problem document with the right code.
 */

import type { ErrorCode } from '../../src/errors.ts';
import { type Bytes, type RawAnswer, speak } from './raw-http.ts';

/**
 * Where the table is aimed: three paths of a service, and the headers that let a request in. Besides these the service
 * takes many jobs at `/v1/jobs/bulk` and `/v1/jobs/stream`, none of which may have a field `k`, `a` or `]`.
 */
export interface HostileTarget {
  readonly port: number;
  /** Takes POST with a JSON object that has neither a field `k` nor `a`, nor a missing body: `/v1/jobs`. */
  readonly post: string;
  /** Answers GET with 200 and takes no query parameters: `/v1/definitions`. Does not take POST. */
  readonly get: string;
  /** What comes before a path parameter, ending in a slash: `/v1/jobs/`. */
  readonly item: string;
  /** Such as `Authorization: Bearer …`. */
  readonly headers: readonly string[];
}

export interface HostileRequest {
  readonly name: string;
  readonly parts: (target: HostileTarget) => readonly Bytes[];
  /** Statuses of all answers in turn; none when the client hangs up first. */
  readonly statuses: readonly number[];
  /** The code of the last answer, when it is a refusal. */
  readonly code?: ErrorCode;
  readonly hangUp?: 'half' | 'reset';
  /** Waits for one of the server's time limits (10 s and 30 s by default). */
  readonly slow?: true;
}

/** A request line, Host, the target's own headers, then these, and a body with its length. */
export function requestBytes(
  target: HostileTarget,
  method: string,
  path: string,
  headers: readonly string[] = [],
  body?: Bytes,
): Buffer {
  const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: millrace', ...target.headers, ...headers, ...length, '', ''];
  return Buffer.concat([Buffer.from(lines.join('\r\n'), 'latin1'), Buffer.from(body ?? '')]);
}

/** A JSON POST of `body` as it is. */
export function jsonPost(target: HostileTarget, body: Bytes, headers: readonly string[] = []): Buffer {
  return requestBytes(target, 'POST', target.post, ['Content-Type: application/json', ...headers], body);
}

/** The head of a chunked JSON POST, and `chunks` as they are. */
export function chunkedPost(target: HostileTarget, ...chunks: readonly Bytes[]): Buffer[] {
  const headers = ['Content-Type: application/json', 'Transfer-Encoding: chunked'];
  return [requestBytes(target, 'POST', target.post, headers), ...chunks.map((chunk) => Buffer.from(chunk))];
}

/** Bytes of a refusal, headers included. */
const MAX_REFUSAL_BYTES = 4096;

/** Play one case; returns what is wrong, as sentences. */
export async function playHostile(
  hostile: HostileRequest,
  target: HostileTarget,
  patienceMs = 40_000,
): Promise<string[]> {
  const { parts, statuses, code, hangUp } = hostile;
  const heard = await speak({ port: target.port, parts: parts(target), expected: statuses.length, hangUp, patienceMs });
  const wrong: string[] = [];
  const got = heard.answers.map((answer) => answer.status);
  const last = heard.answers.at(-1);
  if (got.join() !== statuses.join())
    wrong.push(`answered ${got.join() || 'nothing'}, not ${statuses.join()}: ${last?.body}`);
  if (heard.error !== undefined && hangUp !== 'reset') wrong.push(`the connection ended with ${heard.error}`);
  if (heard.rest !== '') wrong.push(`stray bytes: ${heard.rest.slice(0, 200)}`);
  for (const answer of heard.answers) if (answer.status >= 400) wrong.push(...refusalFaults(answer));
  if (code !== undefined && last !== undefined && codeOf(last) !== code)
    wrong.push(`code ${codeOf(last)}, not ${code}`);
  return wrong;
}

/** What is wrong with a refusal, as sentences. */
export function refusalFaults(answer: RawAnswer): string[] {
  const { status, headers, body, size } = answer;
  const wrong: string[] = [];
  if (!headers['content-type']?.startsWith('application/problem+json')) wrong.push(`is ${headers['content-type']}`);
  if (size > MAX_REFUSAL_BYTES) wrong.push(`has ${size} bytes`);
  if (/<html|<!doctype|node_modules|\.[jt]s:\d+/i.test(body)) wrong.push('shows HTML or a stack');
  if (!/^[!-~]{1,128}$/.test(headers['x-request-id'] ?? '')) wrong.push('has no request id');
  if (headers['set-cookie'] !== undefined || headers['x-injected'] !== undefined) wrong.push('has an injected header');
  if (status === 405 && headers.allow === undefined) wrong.push('has no Allow');
  if (status === 503 && headers['retry-after'] === undefined) wrong.push('has no Retry-After');
  const problem = parsed(body);
  if (problem?.status !== status) wrong.push(`says status ${problem?.status}`);
  for (const field of ['type', 'title', 'detail', 'code', 'requestId']) {
    if (typeof problem?.[field] !== 'string' || problem[field] === '') wrong.push(`has no ${field}`);
  }
  const problems = problem?.problems ?? [];
  if (!Array.isArray(problems) || problems.length > 20) wrong.push('has no list of at most 20 problems');
  if (problem?.code === 'invalid-input' && Array.isArray(problems) && problems.length === 0)
    wrong.push('names no problem');
  return wrong;
}

function codeOf(answer: RawAnswer): unknown {
  return parsed(answer.body)?.code;
}

function parsed(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
