import { connect } from 'node:net';
import express from 'express';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { AppError } from '../../../src/errors.ts';
import { createApp } from '../../../src/http/app.ts';
import { defineRoute, type Route, type RouteAnswer, type Row } from '../../../src/http/route.ts';
import { createLogger } from '../../../src/logger.ts';
import { requestBytes } from '../../support/hostile-player.ts';
import { latch } from '../../support/latch.ts';
import { itemRoutes, startSmallApp } from './small-app.ts';

const entered = latch();
const aborted = latch();

/** A GET at this path that does this. */
function get(path: string, handle: Route['handle'], access: Route['access'] = 'open'): Route {
  return defineRoute({ method: 'GET', path, access, about: 'A test.', handle });
}

const routes: readonly Row[] = [
  ...itemRoutes,
  get('/v1/items/special', async () => ({ text: 'special' })),
  get('/whoami', async ({ tenant, operator }) => ({ body: { tenant, operator } })),
  get('/operators', async () => ({ body: {} }), 'operator'),
  get('/nothing-to-say', async () => ({})),
  get('/teapot', async () => ({
    status: 418,
    text: '<b>',
    headers: { 'content-type': 'text/html', 'cache-control': 'max-age=1', ETag: '"1"' },
  })),
  get('/throws', async () => Promise.reject(new TypeError('secret'))),
  get('/throws-at-once', () => {
    throw new TypeError('secret');
  }),
  get('/away', async () =>
    Promise.reject(
      new AppError('store-unavailable', 'Redis is away.', { retryAfterSeconds: 2, cause: new Error('secret') }),
    ),
  ),
  get('/bad-header', async () => ({ headers: { Location: 'a\r\nX-Injected: 1' } })),
  get('/bad-refusal', async () => Promise.reject(new AppError('not-found', 'No.', { headers: { Location: '\r\n' } }))),
  get('/bad-body', async () => ({ body: { n: 1n } })),
  get('/header', async ({ header, requestId }) => ({ body: { a: header('X-A'), requestId } })),
  get('/waits', ({ signal }) => {
    entered.open();
    return new Promise<RouteAnswer>((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        aborted.open();
        reject(signal.reason);
      });
    });
  }),
  defineRoute({
    method: 'PUT',
    path: '/typed/:kind',
    access: 'open',
    about: 'A test.',
    params: z.strictObject({ kind: z.enum(['a', 'b']) }),
    query: z.strictObject({ n: z.coerce.number().int().default(3) }),
    body: z.strictObject({ list: z.array(z.int()).max(2), when: z.string().transform((text) => text.length) }),
    handle: async ({ params, query, body }) => ({
      body: { kind: params.kind, n: query.n, sum: body.when + body.list.length },
    }),
  }),
];

const board = express.Router();
board.get('/page', (_request, response) => void response.send('<html>'));
board.get('/throws', () => {
  throw new Error('secret');
});
board.get('/half', (_request, response) => {
  response.write('half');
  throw new Error('secret');
});

describe('the app', () => {
  let edge: Awaited<ReturnType<typeof startSmallApp>>;
  const mountedApp = express();
  mountedApp.get('/page', (_request, response) => void response.send('app'));

  beforeAll(async () => {
    edge = await startSmallApp({
      routes,
      mounts: [
        { path: '/board', handler: board },
        { path: '/mounted', handler: mountedApp },
      ],
      authenticate: async ({ authorization }) => {
        if (authorization === undefined)
          throw new AppError('unauthenticated', 'No key.', { headers: { 'WWW-Authenticate': 'Bearer' } });
        return { tenant: 'acme', operator: authorization === 'Bearer operator' };
      },
    });
  });
  afterAll(() => edge.stop());

  const ask = (path: string, init: RequestInit = {}) => fetch(edge.url + path, init);

  async function refusal(path: string, init: RequestInit = {}) {
    const answer = await ask(path, init);
    expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    const text = await answer.text();
    expect(text).not.toContain('secret');
    return { answer, problem: JSON.parse(text) };
  }

  it('answers JSON with its length, its type and nothing for a browser to do', async () => {
    const answer = await ask('/whoami');
    expect(await answer.json()).toEqual({ tenant: 'default', operator: false });
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'content-length': '37',
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none';base-uri 'none';form-action 'none';frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'strict-transport-security': expect.any(String),
    });
    expect(answer.headers.has('x-powered-by')).toBe(false);
  });

  it('answers HEAD as GET without the body', async () => {
    const answer = await ask('/whoami', { method: 'HEAD' });
    expect([answer.status, answer.headers.get('content-length'), await answer.text()]).toEqual([200, '37', '']);
  });

  it('answers OPTIONS with what is allowed', async () => {
    const answer = await ask('/v1/items', { method: 'OPTIONS' });
    expect([answer.status, answer.headers.get('allow')]).toEqual([204, 'GET, HEAD, OPTIONS, POST']);
  });

  it('says which methods a path answers when asked by another', async () => {
    const { answer, problem } = await refusal('/v1/items/7', { method: 'DELETE' });
    expect([answer.status, answer.headers.get('allow'), problem.code]).toEqual([
      405,
      'GET, HEAD, OPTIONS',
      'method-not-allowed',
    ]);
  });

  it('prefers a literal path to one with a parameter', async () => {
    expect(await (await ask('/v1/items/special')).text()).toBe('special');
  });

  it('says nothing when there is nothing to say', async () => {
    const answer = await ask('/nothing-to-say');
    expect([answer.status, answer.headers.has('content-type'), answer.headers.has('content-length')]).toEqual([
      204,
      false,
      false,
    ]);
  });

  it('lets a route choose status, type, caching and headers', async () => {
    const answer = await ask('/teapot');
    expect([answer.status, await answer.text()]).toEqual([418, '<b>']);
    expect(['content-type', 'cache-control', 'etag'].map((name) => answer.headers.get(name))).toEqual([
      'text/html',
      'max-age=1',
      '"1"',
    ]);
  });

  it('asks who is asking before anything else', async () => {
    const { answer, problem } = await refusal('/v1/items', { method: 'POST', body: '{' });
    expect([answer.status, problem.code, answer.headers.get('www-authenticate')]).toEqual([
      401,
      'unauthenticated',
      'Bearer',
    ]);
  });

  it('keeps operators’ routes for operators', async () => {
    expect((await refusal('/operators', { headers: { Authorization: 'Bearer x' } })).problem.code).toBe('forbidden');
    expect((await ask('/operators', { headers: { Authorization: 'Bearer operator' } })).status).toBe(200);
  });

  it('gives a handler what its schemas make of path, query and body', async () => {
    const headers = { 'Content-Type': 'application/json' };
    const answer = await ask('/typed/a?n=5', { method: 'PUT', headers, body: '{"list":[1],"when":"now"}' });
    expect(await answer.json()).toEqual({ kind: 'a', n: 5, sum: 4 });
  });

  it('points at each thing that does not fit', async () => {
    const headers = { 'Content-Type': 'application/json' };
    const pointers = async (path: string, body: string) => {
      const { answer, problem } = await refusal(path, { method: 'PUT', headers, body });
      expect([answer.status, problem.code]).toEqual([422, 'invalid-input']);
      return problem.problems.map(({ pointer }: { pointer: string }) => pointer);
    };
    expect(await pointers('/typed/c', '{}')).toEqual(['kind']);
    expect(await pointers('/typed/a?n=x', '{}')).toEqual(['n']);
    expect(await pointers('/typed/a', '{"list":[1,"2"],"x/y":1}')).toEqual(['/list/1', '/when', '/x~1y']);
  });

  it('echoes a request id, or makes one', async () => {
    const given = await ask('/header', { headers: { 'X-Request-Id': 'abc-1', 'X-A': 'a' } });
    expect([given.headers.get('x-request-id'), await given.json()]).toEqual(['abc-1', { a: 'a', requestId: 'abc-1' }]);
    const made = await ask('/header', { headers: { 'X-Request-Id': 'a b' } });
    expect(made.headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/);
  });

  it.each(['/throws', '/throws-at-once', '/bad-header', '/bad-body', '/board/throws'])(
    'hides what went wrong in %s, and logs it',
    async (path) => {
      const { answer, problem } = await refusal(path);
      expect([answer.status, problem.code]).toEqual([500, 'internal']);
      const line = edge.log.find(({ requestId, level }) => requestId === problem.requestId && level === 'error');
      expect(line).toMatchObject({
        method: 'GET',
        path,
        status: 500,
        code: 'internal',
        err: { stack: expect.any(String) },
      });
    },
  );

  it('says when to try again', async () => {
    const { answer, problem } = await refusal('/away');
    expect([answer.status, answer.headers.get('retry-after'), problem.detail]).toEqual([503, '2', 'Redis is away.']);
  });

  it('refuses even when the refusal itself has a header that may not be sent', async () => {
    expect((await refusal('/bad-refusal')).answer.status).toBe(404);
  });

  it('logs method, path, status and time, and neither query nor body', async () => {
    const requestId = 'log-me';
    await ask('/whoami?token=secret', { headers: { 'X-Request-Id': requestId } });
    const line = edge.log.find((entry) => entry.requestId === requestId);
    expect(line).toMatchObject({ level: 'debug', method: 'GET', path: '/whoami', status: 200, ms: expect.any(Number) });
    expect(JSON.stringify(line)).not.toContain('secret');
  });

  it('tells a handler that its client has gone', async () => {
    const socket = connect(edge.port, '127.0.0.1');
    socket.write(requestBytes(edge.target, 'GET', '/waits'));
    await entered.opened;
    socket.destroy();
    await aborted.opened;
    await expect.poll(() => edge.log.at(-1)?.msg).toBe('the client went before it was answered');
  });

  it('lets a mount answer for itself, with a request id and a line in the log', async () => {
    for (const [path, body] of [
      ['/board/page', '<html>'],
      ['/mounted/page', 'app'],
    ] as const) {
      const answer = await ask(path, { headers: { 'X-Request-Id': path } });
      expect([answer.status, await answer.text(), answer.headers.get('x-request-id')]).toEqual([200, body, path]);
      expect(answer.headers.has('x-powered-by')).toBe(false);
      await expect
        .poll(() => edge.log.find(({ requestId }) => requestId === path))
        .toMatchObject({ path, status: 200 });
    }
    expect((await refusal('/board/nothing')).problem.code).toBe('not-found');
  });

  it('drops the connection when a mount fails half-way', async () => {
    await expect(ask('/board/half').then((answer) => answer.text())).rejects.toThrow();
    expect(edge.log).toContainEqual(expect.objectContaining({ level: 'error', path: '/board/half', code: 'internal' }));
  });

  it('says at once when the table contradicts itself', () => {
    const logger = createLogger({ level: 'silent', role: 'test' });
    const make =
      (...table: Route[]) =>
      () =>
        createApp({ logger, routes: table, authenticate: async () => ({ tenant: 'a', operator: false }) });
    const one = get('/a', async () => ({}));
    expect(make(one, one)).toThrow('GET /a is in the route table twice');
    expect(make({ ...one, path: 'a' })).toThrow('must start with a slash');
    expect(make({ ...one, body: z.string() })).toThrow('GET /a cannot have a body');
  });
});
