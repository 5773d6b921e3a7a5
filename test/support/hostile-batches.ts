/** Hostile requests that bring many jobs at once: lists that are no lists, and streams that break, stall or never end. */

import { gzipSync } from 'node:zlib';
import type { ErrorCode } from '../../src/errors.ts';
import { type HostileRequest, type HostileTarget, requestBytes } from './hostile-player.ts';
import type { Bytes } from './raw-http.ts';

const BULK = '/v1/jobs/bulk';
const STREAM = '/v1/jobs/stream';
const JSON_TYPE = 'Content-Type: application/json';
const LINES_TYPE = 'Content-Type: application/x-ndjson';
const MB = 1024 * 1024;

/** A JSON POST to the list route. */
function list(name: string, body: Bytes, status = 422, code: ErrorCode = 'invalid-input'): HostileRequest {
  return {
    name: `a list: ${name}`,
    parts: (target) => [requestBytes(target, 'POST', BULK, [JSON_TYPE], body)],
    statuses: [status],
    code,
  };
}

/** A list whose jobs are each refused by themselves. */
function each(name: string, ...jobs: string[]): HostileRequest {
  const { code: _none, ...request } = list(name, `{"jobs":[${jobs.join()}]}`, 207);
  return request;
}

/** A POST to the stream route with these header lines, refused before the first line. */
function refusedStream(
  name: string,
  headers: readonly string[],
  code: ErrorCode,
  body: Bytes = '{}\n',
): HostileRequest {
  return {
    name: `a stream: ${name}`,
    parts: (target) => [requestBytes(target, 'POST', STREAM, headers, body)],
    statuses: [415],
    code,
  };
}

/** A stream that is answered to its end, line by line. */
function stream(name: string, body: Bytes): HostileRequest {
  return {
    name: `a stream: ${name}`,
    parts: (target) => [requestBytes(target, 'POST', STREAM, [LINES_TYPE], body)],
    statuses: [200],
  };
}

/** The head of a stream in chunks, and `parts` as they are. */
function chunked(...parts: readonly string[]): (target: HostileTarget) => Buffer[] {
  const headers = [LINES_TYPE, 'Transfer-Encoding: chunked'];
  return (target) => [requestBytes(target, 'POST', STREAM, headers), ...parts.map((part) => Buffer.from(part))];
}

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

export const HOSTILE_BATCHES: readonly HostileRequest[] = [
  list('none', '{}'),
  list('an empty one', '{"jobs":[]}'),
  list('1,001 jobs', `{"jobs":[${Array(1001).fill('{}').join()}]}`),
  list('2 million numbers', `{"jobs":[${Array(2_000_000).fill('1').join()}]}`),
  list('1,001 jobs, one of them twisted', `{"jobs":[${Array(1000).fill('{}').join()},"\\u0000"]}`),
  list('an object', '{"jobs":{"0":{}}}'),
  list('null', '{"jobs":null}'),
  list('a text', '{"jobs":"[]"}'),
  list('alone', '[{}]'),
  list('twice', '{"jobs":[{}],"jobs":[{}]}'),
  list('twice, once in escapes', '{"jobs":[{}],"\\u006aobs":[{}]}'),
  list('with something beside it', '{"jobs":[{}],"more":1}'),
  list('with __proto__ beside it', '{"jobs":[{}],"__proto__":{"operator":true}}'),
  list('with NUL beside it', '{"jobs":[{}],"a\\u0000":1}'),
  list('100,000 lists deep', `{"a":${nested(100_000)}}`),
  list('half of one', '{"jobs":[{}', 400, 'malformed-json'),
  list('empty body', '', 400, 'malformed-json'),
  list('one byte over its limit', `{"jobs":["${'a'.repeat(4 * MB - 12)}"]}`, 413, 'body-too-large'),
  list('10 MB', Buffer.alloc(10 * MB, 0x20), 413, 'body-too-large'),
  {
    name: 'a list: a bomb in gzip',
    parts: (to) => [
      requestBytes(to, 'POST', BULK, [JSON_TYPE, 'Content-Encoding: gzip'], gzipSync(Buffer.alloc(20 * MB, 0x20))),
    ],
    statuses: [413],
    code: 'body-too-large',
  },
  {
    name: 'a list: 5 MB announced, to be asked for',
    parts: (to) => [requestBytes(to, 'POST', BULK, [JSON_TYPE, 'Content-Length: 5242880', 'Expect: 100-continue'])],
    statuses: [413],
    code: 'body-too-large',
  },
  {
    name: 'a list: as lines',
    parts: (to) => [requestBytes(to, 'POST', BULK, [LINES_TYPE], '{"jobs":[{}]}')],
    statuses: [415],
    code: 'unsupported-media-type',
  },
  {
    name: 'a list: read',
    parts: (to) => [requestBytes(to, 'GET', BULK)],
    statuses: [405],
    code: 'method-not-allowed',
  },
  {
    name: 'a list: with a query',
    parts: (to) => [requestBytes(to, 'POST', `${BULK}?dry=1`, [JSON_TYPE], '{"jobs":[{}]}')],
    statuses: [422],
    code: 'invalid-input',
  },
  each('of everything but jobs', 'null', '1', '"{}"', '[]', 'true', '[{}]', '-0.5e1'),
  each('of keys twice', '{"a":1,"a":2}', '{"\\u0061":1,"a":2}'),
  each('of __proto__', '{"__proto__":{"operator":true}}', '{"constructor":1}'),
  each('of NUL and halves', '{"job":"\\u0000"}', '{"job":"\\ud83d"}', '"\\\\\\ud83d"'),
  each('of depths', nested(5000), `{"any":${nested(100_000)}}`),
  each('of numbers that lose digits', '{"any":9007199254740993}', '1e400'),
  each('of brackets in texts', '"]}"', '"\\"]}\\\\"', '{"]":"[\\u0000"}'),
  each('of 1,000 wrong jobs', ...Array<string>(1000).fill('{"k":"\\u0000","k":1}')),

  refusedStream('as JSON', [JSON_TYPE], 'unsupported-media-type'),
  refusedStream('of no type', [], 'unsupported-media-type'),
  refusedStream('in UTF-16', [`${LINES_TYPE}; charset=utf-16`], 'unsupported-media-type'),
  refusedStream('compressed', [LINES_TYPE, 'Content-Encoding: gzip'], 'unsupported-encoding', gzipSync('{}\n')),
  refusedStream('of 10 MB, compressed', [LINES_TYPE, 'Content-Encoding: br'], 'unsupported-encoding', Buffer.alloc(MB)),
  {
    name: 'a stream: read',
    parts: (to) => [requestBytes(to, 'GET', STREAM)],
    statuses: [405],
    code: 'method-not-allowed',
  },
  stream('empty', ''),
  stream('of 1 MB of line feeds', '\n'.repeat(MB)),
  stream('of carriage returns', '\r'.repeat(1000)),
  stream('of 1 MB without a line feed', 'a'.repeat(MB)),
  stream('of a line over the limit, then others', `{}\n"${'a'.repeat(300_000)}"\n{}\n`),
  stream('of 20,000 wrong lines', '1\n'.repeat(20_000)),
  stream(
    'of 2,000 lines that name 100 mistakes',
    `{${Array.from({ length: 100 }, (_, at) => `"k${at}":1`).join()}}\n`.repeat(2000),
  ),
  stream('of a byte order mark', '\ufeff{}\n'),
  stream('of bytes that are no text', Buffer.alloc(100_000, 0xff)),
  stream('of zeros', Buffer.alloc(100_000)),
  stream('of brackets', `${'['.repeat(100_000)}\n${nested(100_000)}\n`),
  stream('of a document over many lines', '{\n"name":\n"a"\n}\n'),
  stream('of twisted JSON', '{"a":1,"a":2}\n{"__proto__":1}\n"\\u0000"\n9007199254740993\n'),
  {
    name: 'a stream: then nonsense where a chunk begins',
    parts: chunked('3\r\n{}\n\r\n', 'zz\r\n'),
    statuses: [200],
  },
  {
    name: 'a stream: then half a goodbye',
    parts: chunked('3\r\n{}\n\r\n', '10\r\n{'),
    hangUp: 'half',
    statuses: [200],
  },
  { name: 'a stream: then a hang-up', parts: chunked('3\r\n{}\n\r\n', '10\r\n{'), hangUp: 'reset', statuses: [] },
  { name: 'a stream: that stalls', parts: chunked('3\r\n{}\n\r\n', '10\r\n{'), slow: true, statuses: [200] },
];
