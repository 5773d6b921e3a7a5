/** Hostile requests whose body is of the wrong type, size, encoding or is no JSON at all. */

import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import type { ErrorCode } from '../../src/errors.ts';
import { chunkedPost, type HostileRequest, jsonPost, requestBytes } from './hostile-player.ts';
import type { Bytes } from './raw-http.ts';

const KB = 1024;
const LIMIT = 256 * KB;

function json(name: string, body: Bytes, status = 400, code: ErrorCode = 'malformed-json'): HostileRequest {
  return { name, parts: (target) => [jsonPost(target, body)], statuses: [status], code };
}

/** A body with this Content-Type, or none. */
function typed(name: string, type: string | undefined, body: Bytes = '{}'): HostileRequest {
  const headers = type === undefined ? [] : [`Content-Type: ${type}`];
  return {
    name,
    parts: (target) => [requestBytes(target, 'POST', target.post, headers, body)],
    statuses: [415],
    code: 'unsupported-media-type',
  };
}

function encoded(name: string, encoding: string, body: Bytes, status = 400, code: ErrorCode = 'undecodable-body') {
  const headers = [`Content-Encoding: ${encoding}`];
  return {
    name,
    parts: (target: Parameters<typeof jsonPost>[0]) => [jsonPost(target, body, headers)],
    statuses: [status],
    code,
  };
}

/** A JSON document of exactly `bytes` bytes. */
function documentOf(bytes: number): string {
  return `{"a":"${'b'.repeat(bytes - 8)}"}`;
}

const gzip = gzipSync('{"a":1}');
const damaged = Buffer.from(gzip).fill(0xff, gzip.length - 8, gzip.length - 4);
const bomb = Buffer.alloc(20 * KB * KB, 0x20);

/** 64 chunks of 64 KB: far over the limit, and no length to tell. */
const CHUNK = `10000\r\n${' '.repeat(64 * KB)}\r\n`;

export const HOSTILE_BODIES: readonly HostileRequest[] = [
  {
    name: 'no body and no length',
    parts: (target) => [requestBytes(target, 'POST', target.post, ['Content-Type: application/json'])],
    statuses: [400],
    code: 'malformed-json',
  },
  json('an empty body', ''),
  { name: 'no chunk', parts: (target) => chunkedPost(target, '0\r\n\r\n'), statuses: [400], code: 'malformed-json' },
  json('spaces', ' \r\n\t '),
  encoded('an empty body, compressed', 'gzip', gzipSync(''), 400, 'malformed-json'),

  typed('no content type', undefined),
  typed('text/plain', 'text/plain'),
  typed('text/json', 'text/json'),
  typed('a form', 'application/x-www-form-urlencoded', 'a=1'),
  typed('a form in parts', 'multipart/form-data; boundary=x', '--x--'),
  typed('XML', 'application/xml', '<a/>'),
  typed('a suffix', 'application/merge-patch+json'),
  typed('a longer name', 'application/jsonx'),
  typed('a list of types', 'application/json, text/plain'),
  typed('UTF-7', 'application/json; charset=utf-7'),
  typed('UTF-16', 'application/json; charset=utf-16'),
  typed('Latin-1', 'application/json; charset=iso-8859-1'),
  typed('two charsets', 'application/json; charset=utf-8; charset=utf-7'),
  typed('another parameter', 'application/json; profile=x'),
  typed('4,000 spaces in the content type', `application/json;${' '.repeat(4000)}x`),

  json('a lone continuation byte', Buffer.from('7b2261223a2280227d', 'hex')),
  json('an overlong sequence', Buffer.from('7b2261223a22c0af227d', 'hex')),
  json('a surrogate in UTF-8', Buffer.from('7b2261223a22eda080227d', 'hex')),
  json('a cut sequence', Buffer.from('7b2261223a22f09f98227d', 'hex')),
  json('beyond Unicode', Buffer.from('7b2261223a22f4908080227d', 'hex')),
  json('Latin-1 bytes', Buffer.from('{"a":"é"}', 'latin1')),
  json('a byte order mark', '\ufeff{}'),
  json('UTF-16, little end first', Buffer.from('\ufeff{"a":1}', 'utf16le')),
  json('UTF-16 without a mark', Buffer.from('{"a":1}', 'utf16le')),
  json('UTF-16, big end first', Buffer.from('\ufeff{"a":1}', 'utf16le').swap16()),

  json('half an object', '{'),
  json('a key without a value', '{"a":}'),
  json('a comma too many', '{"a":1,}'),
  json('single quotes', "{'a':1}"),
  json('a key without quotes', '{a:1}'),
  json('a comment', '{"a":1}//'),
  json('two documents', '{}{}'),
  json('NaN', '{"a":NaN}'),
  json('Infinity', '{"a":-Infinity}'),
  json('a hexadecimal number', '{"a":0x1}'),
  json('a leading zero', '{"a":01}'),
  json('a leading plus', '{"a":+1}'),
  json('a raw NUL in a string', '{"a":"\0"}'),
  json('a raw line end in a string', '{"a":"\n"}'),
  json('an escape that is none', '{"a":"\\x41"}'),
  json('an escape that is cut short', '{"a":"\\u12"}'),
  json('NUL after the document', '{}\0'),
  json('HTML', '<!doctype html><p>'),
  json('a form called JSON', 'a=1&b=2'),
  json('undefined', 'undefined'),
  json('5,000 open brackets', '['.repeat(5000)),
  json('250,000 open objects', '{"a":'.repeat(50_000)),
  json('one open string of 250 KB', `{"a":"${'\\\\'.repeat(125_000)}`),

  json('one byte over the limit', documentOf(LIMIT + 1), 413, 'body-too-large'),
  json('10 MB', Buffer.alloc(10 * KB * KB, 0x20), 413, 'body-too-large'),
  {
    name: '10 GB announced and not sent',
    parts: (to) => [
      requestBytes(to, 'POST', to.post, ['Content-Type: application/json', 'Content-Length: 10000000000']),
    ],
    statuses: [413],
    code: 'body-too-large',
  },
  {
    name: '1 MB announced, to be asked for',
    parts: (to) => [
      requestBytes(to, 'POST', to.post, [
        'Content-Type: application/json',
        'Content-Length: 1048576',
        'Expect: 100-continue',
      ]),
    ],
    statuses: [413],
    code: 'body-too-large',
  },
  {
    name: '4 MB in chunks without an end',
    parts: (target) => chunkedPost(target, ...Array.from({ length: 64 }, () => CHUNK)),
    statuses: [413],
    code: 'body-too-large',
  },
  {
    name: '300,000 chunks of one byte',
    parts: (target) => chunkedPost(target, '1\r\n \r\n'.repeat(300_000), '0\r\n\r\n'),
    statuses: [413],
    code: 'body-too-large',
  },
  {
    name: '10 MB of the wrong type',
    parts: (to) => [requestBytes(to, 'POST', to.post, ['Content-Type: text/plain'], Buffer.alloc(10 * KB * KB))],
    statuses: [415],
    code: 'unsupported-media-type',
  },
  {
    name: '10 MB to nowhere',
    parts: (to) => [
      requestBytes(to, 'POST', '/nothing', ['Content-Type: application/json'], Buffer.alloc(10 * KB * KB)),
    ],
    statuses: [404],
    code: 'not-found',
  },

  encoded('a bomb in gzip', 'gzip', gzipSync(bomb), 413, 'body-too-large'),
  encoded('a bomb in deflate', 'deflate', deflateSync(bomb), 413, 'body-too-large'),
  encoded('a bomb in br', 'br', brotliCompressSync(bomb), 413, 'body-too-large'),
  encoded('one byte over the limit, compressed', 'gzip', gzipSync(documentOf(LIMIT + 1)), 413, 'body-too-large'),
  encoded(
    'a bomb in 1,000 members',
    'gzip',
    Buffer.concat(Array(1000).fill(gzipSync(Buffer.alloc(KB)))),
    413,
    'body-too-large',
  ),
  encoded('compress', 'compress', '{}', 415, 'unsupported-encoding'),
  encoded('zstd', 'zstd', '{}', 415, 'unsupported-encoding'),
  encoded('gzip twice', 'gzip, gzip', gzipSync(gzip), 415, 'unsupported-encoding'),
  encoded('gzip twice in two headers', 'gzip\r\nContent-Encoding: gzip', gzipSync(gzip), 415, 'unsupported-encoding'),
  encoded('identity, gzip', 'identity, gzip', gzip, 415, 'unsupported-encoding'),
  encoded('an encoding named constructor', 'constructor', '{}', 415, 'unsupported-encoding'),
  encoded('no gzip at all', 'gzip', '{"a":1}'),
  encoded('gzip called br', 'br', gzip),
  encoded('gzip called deflate', 'deflate', gzip),
  encoded('truncated gzip', 'gzip', gzip.subarray(0, -6)),
  encoded('the head of gzip alone', 'gzip', gzip.subarray(0, 10)),
  encoded('truncated br', 'br', brotliCompressSync(documentOf(1000)).subarray(0, -3)),
  encoded('gzip with a wrong checksum', 'gzip', damaged),
  encoded('bytes after gzip', 'gzip', Buffer.concat([gzip, Buffer.from('rest')])),
  encoded('bytes after deflate', 'deflate', Buffer.concat([deflateSync('{}'), Buffer.from('rest')])),
  encoded('bytes after br', 'br', Buffer.concat([brotliCompressSync('{}'), Buffer.from('rest')])),
  encoded('deflate without its wrapper', 'deflate', deflateRawSync('{"a":1}')),
  encoded('invalid UTF-8, compressed', 'gzip', gzipSync(Buffer.from([0x22, 0xff, 0x22])), 400, 'malformed-json'),
];
