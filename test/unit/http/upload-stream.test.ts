/** A body that is a file: what its taker sees when the client stalls, breaks off, breaks the rules, or the server stops. */

import { describe, expect, it, onTestFinished } from 'vitest';
import { AppError, isAppError } from '../../../src/errors.ts';
import { defineUploadRoute } from '../../../src/http/route.ts';
import { Deadline } from '../../../src/lifecycle.ts';
import { latch } from '../../support/latch.ts';
import { speak } from '../../support/raw-http.ts';
import { type SmallAppOptions, startSmallApp } from './small-app.ts';

const MAX_BYTES = 5_000_000;

/** A small app that counts the bytes of a file, and says how its source ended. */
async function startCounting(options: SmallAppOptions = {}, take?: (bytes: number) => Promise<void>) {
  const begun = latch();
  const ended = latch();
  const seen: { bytes: number; error: unknown } = { bytes: 0, error: undefined };
  const files = defineUploadRoute({
    method: 'POST',
    path: '/files',
    access: 'open',
    about: 'A test.',
    maxBytes: MAX_BYTES,
    receive: async (source) => {
      try {
        for await (const piece of source) {
          seen.bytes += piece.length;
          begun.open();
          await take?.(seen.bytes);
        }
        return { status: 201, body: { bytes: seen.bytes } };
      } catch (error) {
        seen.error = error;
        throw error;
      } finally {
        ended.open();
      }
    },
  });
  const edge = await startSmallApp({ ...options, routes: [files] });
  onTestFinished(() => edge.stop());
  return { ...edge, seen, begun: begun.opened, ended: ended.opened };
}

const head = (...lines: string[]) => ['POST /files HTTP/1.1', 'Host: a', ...lines, '', ''].join('\r\n');
const codeOf = (body = '{}'): unknown => JSON.parse(body).code;

describe('a file as a body', () => {
  it('is taken as it comes, piece by piece', async () => {
    const { port, seen } = await startCounting();
    const parts = [head('Content-Length: 3000000'), ...Array.from({ length: 30 }, () => Buffer.alloc(100_000))];
    const { answers } = await speak({ port, parts, expected: 1 });
    expect([answers[0]?.status, answers[0]?.body, seen.bytes]).toEqual([201, '{"bytes":3000000}', 3_000_000]);
  });

  it('ends with request-timeout when its client stops sending, and answers so', async () => {
    const { port, seen, ended } = await startCounting({ requestTimeoutMs: 200 });
    const { answers } = await speak({ port, parts: [head('Content-Length: 100'), 'x'], expected: 1 });
    await ended;
    expect([answers[0]?.status, codeOf(answers[0]?.body)]).toEqual([408, 'request-timeout']);
    expect(answers[0]?.headers.connection).toBe('close');
    expect(isAppError(seen.error, 'request-timeout')).toBe(true);
  });

  it('has no clock while its taker is busy', async () => {
    const meanwhile = latch();
    const { port, begun } = await startCounting({ requestTimeoutMs: 200 }, () => meanwhile.opened);
    const parts = [head('Content-Length: 200000'), Buffer.alloc(200_000)];
    const conversation = speak({ port, parts, expected: 1 });
    await begun;
    // Another one stalls for as long as is allowed, and is found: the clock has looked at both.
    const stalled = await speak({ port, parts: [head('Content-Length: 100')], expected: 1 });
    meanwhile.open();
    expect([stalled.answers[0]?.status, (await conversation).answers[0]?.status]).toEqual([408, 201]);
  });

  it('is not read on while its taker is busy', async () => {
    const busy = latch();
    const { port, seen, begun } = await startCounting({}, () => busy.opened);
    const parts = [head('Content-Length: 4000000'), ...Array.from({ length: 40 }, () => Buffer.alloc(100_000))];
    const conversation = speak({ port, parts, expected: 1 });
    await begun;
    expect(seen.bytes).toBeLessThanOrEqual(65_536);
    busy.open();
    expect((await conversation).answers[0]?.body).toBe('{"bytes":4000000}');
  });

  it.each(['half', 'reset'] as const)('fails its taker when the client goes in the middle (%s)', async (hangUp) => {
    const { port, seen, ended } = await startCounting();
    await speak({ port, parts: [head('Content-Length: 1000'), Buffer.alloc(500)], expected: 0, hangUp });
    await ended;
    expect(isAppError(seen.error, 'bad-request')).toBe(true);
  });

  it('fails its taker when a chunk is broken, and says so', async () => {
    const { port, seen } = await startCounting();
    const parts = [head('Transfer-Encoding: chunked'), '5\r\nhello\r\n', 'no chunk\r\n'];
    const { answers } = await speak({ port, parts, expected: 1 });
    expect([answers[0]?.status, seen.bytes, isAppError(seen.error, 'bad-request')]).toEqual([400, 5, true]);
  });

  it('is refused when the server stops, at once', async () => {
    const { port, server, begun } = await startCounting();
    const conversation = speak({ port, parts: [head('Content-Length: 1000'), Buffer.alloc(500)], expected: 1 });
    await begun;
    await server.stop(Deadline.in(5000));
    const { answers } = await conversation;
    expect([answers[0]?.status, codeOf(answers[0]?.body)]).toEqual([503, 'shutting-down']);
  });

  it('gets its answer whole when the taker gives up in the middle', async () => {
    const { port } = await startCounting({}, () =>
      Promise.reject(new AppError('store-unavailable', 'The disk is full.')),
    );
    const parts = [head('Content-Length: 4000000'), ...Array.from({ length: 40 }, () => Buffer.alloc(100_000))];
    const { answers, error } = await speak({ port, parts, expected: 1 });
    expect([answers[0]?.status, codeOf(answers[0]?.body), error]).toEqual([503, 'store-unavailable', undefined]);
  });

  it('is asked for only when it will be read', async () => {
    const { port } = await startCounting();
    const length = (bytes: number) => head(`Content-Length: ${bytes}`, 'Expect: 100-continue');
    const wanted = await speak({ port, parts: [length(3), 'abc'], expected: 1 });
    const unwanted = await speak({ port, parts: [length(MAX_BYTES + 1)], expected: 1 });
    expect([wanted.interim, wanted.answers[0]?.status]).toEqual([1, 201]);
    expect([unwanted.interim, unwanted.answers[0]?.status]).toEqual([0, 413]);
  });
});
