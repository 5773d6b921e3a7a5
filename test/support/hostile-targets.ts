/** Hostile requests whose method, path or query is wrong. */

import type { ErrorCode } from '../../src/errors.ts';
import { type HostileRequest, type HostileTarget, requestBytes } from './hostile-player.ts';

function request(
  name: string,
  method: string,
  path: (target: HostileTarget) => string,
  status: number,
  code: ErrorCode,
  headers: readonly string[] = [],
): HostileRequest {
  return {
    name,
    parts: (target) => [requestBytes(target, method, path(target), headers)],
    statuses: [status],
    code,
  };
}

export const HOSTILE_TARGETS: readonly HostileRequest[] = [
  request('an unknown path', 'GET', () => '/nothing/here', 404, 'not-found'),
  request('an unknown path that is posted to', 'POST', () => '/nothing/here', 404, 'not-found'),
  request('an unknown path of script', 'GET', () => '/<script>alert(1)</script>', 404, 'not-found'),
  request('a path to climb out', 'GET', () => '/../../../../etc/passwd', 404, 'not-found'),
  request('an encoded path to climb out', 'GET', () => '/%2e%2e/%2e%2e/etc/passwd', 404, 'not-found'),
  request('two slashes', 'GET', (target) => `/${target.get}`, 404, 'not-found'),
  request('a trailing slash', 'GET', (target) => `${target.get}/`, 404, 'not-found'),
  request('a path in capitals', 'GET', (target) => target.get.toUpperCase(), 404, 'not-found'),
  request('a path named __proto__', 'GET', () => '/__proto__', 404, 'not-found'),
  request('a matrix parameter', 'GET', (target) => `${target.get};a=1`, 404, 'not-found'),
  request('NUL in the path', 'GET', (target) => `${target.get}%00`, 404, 'not-found'),
  request('lines in the path', 'GET', () => '/%0d%0aX-Injected:%201', 404, 'not-found'),
  request('lines in the query', 'GET', () => '/nothing?a=%0d%0aX-Injected:%201', 404, 'not-found'),
  request('a percent escape that is none', 'GET', () => '/%zz', 400, 'bad-request'),
  request('a percent escape that is cut short', 'GET', (target) => `${target.get}%2`, 400, 'bad-request'),
  request('a percent escape that is not UTF-8', 'GET', () => '/%c3%28', 400, 'bad-request'),
  request('an overlong percent escape', 'GET', () => '/%c0%ae%c0%ae/', 400, 'bad-request'),
  request('a wrong escape in a parameter', 'GET', (target) => `${target.item}%zz`, 400, 'bad-request'),
  request('a wrong escape in the query', 'GET', (target) => `${target.get}?a=%zz`, 400, 'bad-request'),
  request('half a surrogate pair in the query', 'GET', (target) => `${target.get}?a=%ed%a0%80`, 400, 'bad-request'),
  request('a parameter of 300 characters', 'GET', (target) => target.item + 'a'.repeat(300), 422, 'invalid-input'),
  request('a parameter with a slash', 'GET', (target) => `${target.item}a%2fb`, 422, 'invalid-input'),
  request('a parameter with NUL', 'GET', (target) => `${target.item}a%00`, 422, 'invalid-input'),
  request('a parameter with a space', 'GET', (target) => `${target.item}a%20b`, 422, 'invalid-input'),
  request('a parameter with a line end', 'GET', (target) => `${target.item}a%0d%0ab`, 422, 'invalid-input'),
  request('a parameter that is not ASCII', 'GET', (target) => `${target.item}%f0%9f%98%80`, 422, 'invalid-input'),
  request('a query nobody asked for', 'GET', (target) => `${target.get}?debug=1`, 422, 'invalid-input'),
  request('a query of __proto__', 'GET', (target) => `${target.get}?__proto__=1`, 422, 'invalid-input'),
  request('a query parameter twice', 'GET', (target) => `${target.get}?a=1&a=2`, 422, 'invalid-input'),
  request('NUL in a query', 'GET', (target) => `${target.get}?a=%00`, 422, 'invalid-input'),
  request('2,000 query parameters', 'GET', (to) => `${to.get}?${'a=1&'.repeat(2000)}`, 422, 'invalid-input'),
  request('a fragment', 'GET', (target) => `${target.get}#top`, 400, 'bad-request'),
  request('a path that is not ASCII', 'GET', () => '/\xe9', 400, 'bad-request'),
  request('a path without a slash', 'GET', () => 'nothing', 400, 'bad-request'),
  request('a space in the path', 'GET', () => '/a b', 400, 'bad-request'),
  request('another protocol in the target', 'GET', () => 'ftp://millrace/a', 400, 'bad-request'),
  request('an asterisk as the target', 'OPTIONS', () => '*', 400, 'bad-request'),
  request('DELETE where POST belongs', 'DELETE', (target) => target.post, 405, 'method-not-allowed'),
  request('POST where GET belongs', 'POST', (target) => target.get, 405, 'method-not-allowed'),
  request('PATCH', 'PATCH', (target) => target.get, 405, 'method-not-allowed'),
  request('TRACE', 'TRACE', (target) => target.get, 405, 'method-not-allowed'),
  request('PROPFIND', 'PROPFIND', (target) => target.get, 405, 'method-not-allowed'),
  request('a method in another header', 'POST', (to) => to.get, 405, 'method-not-allowed', [
    'X-HTTP-Method-Override: GET',
  ]),
  request('another path in another header', 'GET', () => '/nothing', 404, 'not-found', ['X-Original-URL: /v1/jobs']),
  request('a request id with spaces', 'GET', () => '/nothing', 404, 'not-found', ['X-Request-Id: a b c']),
  request('a request id of 1,000 characters', 'GET', () => '/nothing', 404, 'not-found', [
    `X-Request-Id: ${'a'.repeat(1000)}`,
  ]),
  request('a request id that is not ASCII', 'GET', () => '/nothing', 404, 'not-found', ['X-Request-Id: \xe9\xff']),
];
