/**
 * Requests that Node's parser lets through although two readers could understand them differently.
 *
 * A proxy in front of us may pick the other Host, the other key or another end of the body: that is how requests are
 * smuggled. Node itself refuses length and chunking together, and bodies that are not chunked last; the rest is here.
 */

import type { IncomingMessage } from 'node:http';

/** Headers that decide something and may come only once, by length, so that most headers are passed over cheaply. */
const ONCE: ReadonlyMap<number, string> = new Map(
  ['host', 'content-type', 'authorization', 'idempotency-key'].map((name) => [name.length, name]),
);

/** A path, or an absolute URL as a proxy is asked; printable ASCII without a fragment. */
const TARGET = /^(?:\/|https?:\/\/)[!"$-~]*$/;

const HOST = /^[^\s,/\\@?#<>]+$/;

/** Why this request cannot be read in one way only, as a sentence; undefined when it can. */
export function framingProblem(request: IncomingMessage): string | undefined {
  const { headers, rawHeaders, url = '' } = request;
  if (request.httpVersionMajor !== 1) return 'Only HTTP/1.1 and HTTP/1.0 are spoken here.';
  const twice = givenTwice(rawHeaders);
  if (twice !== undefined) return `The header ${twice} is given more than once.`;
  if (headers.host === undefined ? request.httpVersionMinor > 0 : !HOST.test(headers.host)) {
    return 'There must be one Host header that names a host.';
  }
  const transferEncoding = headers['transfer-encoding'];
  if (transferEncoding !== undefined) {
    if (headers['content-length'] !== undefined) return 'Content-Length and Transfer-Encoding exclude each other.';
    if (transferEncoding.toLowerCase() !== 'chunked') return 'The only Transfer-Encoding is chunked.';
    if (request.httpVersionMinor === 0) return 'HTTP/1.0 has no Transfer-Encoding.';
  }
  if (!TARGET.test(url)) return 'The target of the request must be a path in printable ASCII, without a fragment.';
  return undefined;
}

function givenTwice(rawHeaders: readonly string[]): string | undefined {
  let seen = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name === undefined) break;
    const once = ONCE.get(name.length);
    if (once === undefined || name.toLowerCase() !== once) continue;
    const bit = 1 << once.length;
    if ((seen & bit) !== 0) return once;
    seen |= bit;
  }
  return undefined;
}
