/** Hostile requests whose lines, headers, lengths or chunks are wrong, and clients that stall or hang up. */

import type { ErrorCode } from '../../src/errors.ts';
import { chunkedPost, type HostileRequest, type HostileTarget, jsonPost, requestBytes } from './hostile-player.ts';
import type { Bytes } from './raw-http.ts';

/** Exactly these bytes, answered by one refusal. */
function raw(name: string, bytes: (target: HostileTarget) => Bytes, status = 400, code: ErrorCode = 'bad-request') {
  return { name, parts: (target: HostileTarget) => [bytes(target)], statuses: [status], code };
}

/** A GET with these header lines. */
function get(name: string, headers: readonly string[], status?: number, code?: ErrorCode): HostileRequest {
  return raw(name, (target) => requestBytes(target, 'GET', target.get, headers), status, code);
}

/** A GET whose Host lines are these alone. */
function hosts(name: string, ...lines: string[]): HostileRequest {
  return raw(name, ({ get: path }) => `GET ${path} HTTP/1.1\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`);
}

/** A JSON POST with these header lines and no length of its own; `after` follows the empty line. */
function post(name: string, headers: readonly string[], after: string): HostileRequest {
  const all = ['Content-Type: application/json', ...headers];
  return raw(name, (target) => Buffer.concat([requestBytes(target, 'POST', target.post, all), Buffer.from(after)]));
}

/** A chunked JSON POST with these bytes as chunks. */
function chunks(name: string, text: string): HostileRequest {
  return { name, parts: (target) => chunkedPost(target, text), statuses: [400], code: 'bad-request' };
}

const EMPTY_CHUNKS = '0\r\n\r\n';

export const HOSTILE_FRAMING: readonly HostileRequest[] = [
  hosts('two different hosts', 'Host: a', 'Host: b'),
  hosts('the same host twice', 'Host: a', 'host: a'),
  hosts('no host'),
  hosts('an empty host', 'Host:'),
  hosts('two hosts in one line', 'Host: a, b'),
  hosts('a host with a path', 'Host: a/b'),
  hosts('a host with user information', 'Host: root@a'),
  hosts('a host with a space', 'Host: a b'),

  post('length and chunking', ['Content-Length: 5', 'Transfer-Encoding: chunked'], EMPTY_CHUNKS),
  post('chunking and length', ['Transfer-Encoding: chunked', 'Content-Length: 5'], EMPTY_CHUNKS),
  post('chunking and a length of 0', ['Transfer-Encoding: chunked', 'Content-Length: 0'], EMPTY_CHUNKS),
  post('xchunked', ['Transfer-Encoding: xchunked'], EMPTY_CHUNKS),
  post('gzip, chunked', ['Transfer-Encoding: gzip, chunked'], EMPTY_CHUNKS),
  post('chunked, gzip', ['Transfer-Encoding: chunked, gzip'], EMPTY_CHUNKS),
  post('chunked, chunked', ['Transfer-Encoding: chunked, chunked'], EMPTY_CHUNKS),
  post('identity', ['Transfer-Encoding: identity'], EMPTY_CHUNKS),
  post('"chunked" in quotes', ['Transfer-Encoding: "chunked"'], EMPTY_CHUNKS),
  post('chunked with a parameter', ['Transfer-Encoding: chunked;q=1'], EMPTY_CHUNKS),
  post('chunking twice', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], EMPTY_CHUNKS),
  post('chunked, then identity', ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], EMPTY_CHUNKS),
  post('a vertical tab before chunked', ['Transfer-Encoding: \x0bchunked'], EMPTY_CHUNKS),
  post('a space before the colon', ['Transfer-Encoding : chunked'], EMPTY_CHUNKS),
  post('a folded Transfer-Encoding', ['Transfer-Encoding:\r\n chunked'], EMPTY_CHUNKS),
  raw(
    'chunking in HTTP/1.0',
    ({ post: path }) => `POST ${path} HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ),
  post('the same length twice', ['Content-Length: 2', 'Content-Length: 2'], '{}'),
  post('two lengths', ['Content-Length: 2', 'Content-Length: 1'], '{}'),
  post('a list of lengths', ['Content-Length: 2, 2'], '{}'),
  post('a length with a sign', ['Content-Length: +2'], '{}'),
  post('a negative length', ['Content-Length: -2'], '{}'),
  post('a hexadecimal length', ['Content-Length: 0x2'], '{}'),
  post('a length with an exponent', ['Content-Length: 2e0'], '{}'),
  post('an empty length', ['Content-Length: '], '{}'),
  post('a length with a space inside', ['Content-Length: 1 2'], '{}'),
  post('a length beyond 64 bits', ['Content-Length: 99999999999999999999999'], '{}'),

  raw('line feeds alone', ({ get: path }) => `GET ${path} HTTP/1.1\nHost: a\n\n`),
  get('a header that ends in a line feed alone', ['X-A: 1\nX-Injected: 1']),
  get('a folded header', ['X-A: 1\r\n 2']),
  get('NUL in a header', ['X-A: 1\x002']),
  get('a carriage return in a header', ['X-A: 1\r2']),
  get('a header without a colon', ['nonsense']),
  get('a header without a name', [': 1']),
  get('a space in the name of a header', ['X A: 1']),
  get('two Authorization headers', ['Authorization: Bearer a', 'Authorization: Bearer b']),
  post('two content types', ['content-type: text/plain', 'Content-Length: 2'], '{}'),
  post('two idempotency keys', ['Idempotency-Key: a', 'Idempotency-Key: b', 'Content-Length: 2'], '{}'),
  get('an expectation nobody has', ['Expect: the-unexpected']),
  get('20 KB in one header', [`X-A: ${'a'.repeat(20_000)}`], 431, 'headers-too-large'),
  get(
    '5,000 headers',
    Array.from({ length: 5000 }, (_, at) => `X-${at}: 1`),
    431,
    'headers-too-large',
  ),
  raw('a path of 20 KB', (to) => requestBytes(to, 'GET', `/${'a'.repeat(20_000)}`), 431, 'headers-too-large'),
  raw(
    '1 MB of header that never ends',
    () => `GET / HTTP/1.1\r\nX-A: ${'a'.repeat(1_000_000)}`,
    431,
    'headers-too-large',
  ),

  raw('an unknown method', (target) => requestBytes(target, 'FOO', target.get)),
  raw('a method in lower case', (target) => requestBytes(target, 'get', target.get)),
  raw('a space before the method', (target) =>
    Buffer.concat([Buffer.from(' '), requestBytes(target, 'GET', target.get)]),
  ),
  raw('CONNECT', () => 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n'),
  raw('HTTP/0.9', ({ get: path }) => `GET ${path}\r\n\r\n`),
  raw('HTTP/1.2', ({ get: path }) => `GET ${path} HTTP/1.2\r\nHost: a\r\n\r\n`),
  raw('HTTP/3.1', ({ get: path }) => `GET ${path} HTTP/3.1\r\nHost: a\r\n\r\n`),
  raw('the preface of HTTP/2', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  raw('a TLS greeting', () => Buffer.from('16030102000100010001fc0303', 'hex')),
  raw('an SSH greeting', () => 'SSH-2.0-OpenSSH_9.2\r\n'),
  raw('a Redis command', () => '*1\r\n$8\r\nFLUSHALL\r\n'),
  raw('1 KB of zeros', () => Buffer.alloc(1024)),

  chunks('a chunk size that is no number', 'zz\r\n{}\r\n0\r\n\r\n'),
  chunks('a negative chunk size', '-2\r\n{}\r\n0\r\n\r\n'),
  chunks('a chunk size with 0x', '0x2\r\n{}\r\n0\r\n\r\n'),
  chunks('a space before the chunk size', ' 2\r\n{}\r\n0\r\n\r\n'),
  chunks('a chunk size beyond 64 bits', 'fffffffffffffffff\r\n{}\r\n0\r\n\r\n'),
  chunks('a chunk that is longer than its size', '1\r\n{}\r\n0\r\n\r\n'),
  chunks('chunks with line feeds alone', '2\n{}\n0\n\n'),
  chunks('a line feed in a chunk extension', '2;a\nb\r\n{}\r\n0\r\n\r\n'),
  chunks('a chunk extension of 20 KB', `2;${'a'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`),
  chunks('a length among the trailers', '2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n'),
  {
    name: 'trailers of 20 KB',
    parts: (target) => chunkedPost(target, `2\r\n{}\r\n0\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`),
    statuses: [431],
    code: 'headers-too-large',
  },

  {
    name: 'nonsense behind a good request: the good answer first',
    parts: (target) => [requestBytes(target, 'GET', target.get), 'nonsense\r\n\r\n'],
    statuses: [200, 400],
    code: 'bad-request',
  },
  {
    name: 'nonsense behind a good request in the same packet',
    parts: (target) => [Buffer.concat([requestBytes(target, 'GET', target.get), Buffer.from('nonsense\r\n\r\n')])],
    statuses: [200, 400],
    code: 'bad-request',
  },
  {
    name: 'a refused request and a good one behind it',
    parts: (target) => [Buffer.concat([jsonPost(target, '{'), requestBytes(target, 'GET', target.get)])],
    statuses: [400, 200],
  },
  {
    name: 'ten refused requests in one packet',
    parts: (target) => [Buffer.concat(Array.from({ length: 10 }, () => jsonPost(target, '{"a":1,"a":1}')))],
    statuses: Array.from({ length: 10 }, () => 422),
    code: 'invalid-input',
  },
  {
    name: 'a request smuggled in a refused body',
    parts: (target) => {
      const inner = requestBytes(target, 'GET', target.get);
      return [requestBytes(target, 'POST', target.post, ['Content-Type: text/plain'], inner)];
    },
    statuses: [415],
    code: 'unsupported-media-type',
  },
  {
    name: 'a length that is too short: the rest is no request',
    parts: (target) => [
      Buffer.concat([
        requestBytes(target, 'POST', target.post, ['Content-Type: application/json', 'Content-Length: 1']),
        Buffer.from('{"a":1}\r\n\r\n'),
      ]),
    ],
    statuses: [400, 400],
    code: 'bad-request',
  },
  {
    name: 'a length that is too long, then half a goodbye',
    parts: (target) => [
      requestBytes(target, 'POST', target.post, ['Content-Type: application/json', 'Content-Length: 100']),
      '{"a":1}',
    ],
    hangUp: 'half',
    statuses: [400],
    code: 'bad-request',
  },
  {
    name: 'half a goodbye inside a chunk',
    parts: (target) => chunkedPost(target, '10\r\n{"a'),
    hangUp: 'half',
    statuses: [400],
    code: 'bad-request',
  },
  {
    name: 'half a goodbye inside the headers',
    parts: (target) => [requestBytes(target, 'GET', target.get).subarray(0, 30)],
    hangUp: 'half',
    statuses: [400],
    code: 'bad-request',
  },
  {
    name: 'a hang-up inside the headers',
    parts: (target) => [requestBytes(target, 'GET', target.get).subarray(0, 30)],
    hangUp: 'reset',
    statuses: [],
  },
  {
    name: 'a hang-up inside the body',
    parts: (target) => [jsonPost(target, `{"a":"${'b'.repeat(1000)}"}`).subarray(0, -500)],
    hangUp: 'reset',
    statuses: [],
  },
  {
    name: 'a hang-up inside a chunk',
    parts: (target) => chunkedPost(target, '10\r\n{"a'),
    hangUp: 'reset',
    statuses: [],
  },
  {
    name: 'headers that stall',
    parts: (target) => [requestBytes(target, 'GET', target.get).subarray(0, 30)],
    slow: true,
    statuses: [408],
    code: 'request-timeout',
  },
  { name: 'a connection that says nothing', parts: () => [], slow: true, statuses: [408], code: 'request-timeout' },
  {
    name: 'a body that stalls',
    parts: (target) => [jsonPost(target, `{"a":"${'b'.repeat(1000)}"}`).subarray(0, -500)],
    slow: true,
    statuses: [408],
    code: 'request-timeout',
  },
];
