import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { AppError } from '../../../src/errors.ts';
import { defineBatchRoute } from '../../../src/http/route.ts';
import { Deadline } from '../../../src/lifecycle.ts';
import { latch } from '../../support/latch.ts';
import { eventually } from '../../support/millrace-process.ts';
import { speak } from '../../support/raw-http.ts';
import { itemRoutes, type SmallAppOptions, startSmallApp } from './small-app.ts';

/** An app that takes lines with a number; `handle` says what becomes of each. */
async function startStreams(handle: (n: number) => Promise<object>, options: SmallAppOptions = {}) {
  const taken: number[] = [];
  const route = defineBatchRoute({
    method: 'POST',
    path: '/lines',
    access: 'caller',
    about: 'A test.',
    source: { kind: 'lines' },
    noun: 'job',
    item: z.strictObject({ n: z.int() }),
    handleItem: ({ n }) => {
      taken.push(n);
      return handle(n);
    },
  });
  const edge = await startSmallApp({ ...options, routes: [...itemRoutes, route] });
  onTestFinished(() => edge.stop());
  return { edge, taken };
}

const LINES = { 'Content-Type': 'application/x-ndjson' };
const line = (n: number) => `{"n":${n}}\n`;
const manyLines = (count: number) => Array.from({ length: count }, (_, at) => line(at + 1)).join('');

/** A stream that is open: write to it, and read what comes. */
async function openStream(port: number) {
  const request = httpRequest({ port, path: '/lines', method: 'POST', headers: LINES });
  request.flushHeaders();
  // Whoever is cut off hears of it in `closed` too.
  request.on('error', () => undefined);
  const [response]: IncomingMessage[] = await once(request, 'response');
  if (response === undefined) throw new Error('no answer');
  let text = '';
  response.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  const ended = new Promise<void>((resolve) => response.once('end', resolve));
  const closed = new Promise<void>((resolve) => request.once('close', resolve));
  const lines = () =>
    text
      .split('\n')
      .filter((each) => each !== '')
      .map((each) => JSON.parse(each));
  return {
    request,
    response,
    ended,
    closed,
    lines,
    /** Resolves when this many answers have come. */
    answered: (count: number) =>
      eventually(
        async () => lines().length,
        (length) => length >= count,
        5000,
      ),
  };
}

async function post(url: string, body: string, headers: Record<string, string> = LINES) {
  const answer = await fetch(`${url}/lines`, { method: 'POST', headers, body });
  const text = await answer.text();
  return {
    status: answer.status,
    headers: answer.headers,
    lines: text
      .trimEnd()
      .split('\n')
      .map((each) => JSON.parse(each)),
  };
}

describe('a stream of lines', () => {
  it('is answered line by line in its order, whatever is done first, and says that it is done', async () => {
    const first = latch();
    const { edge, taken } = await startStreams(async (n) => {
      if (n === 1) await first.opened;
      else if (n === 4) first.open();
      return { id: `job-${n}` };
    });
    const { status, headers, lines } = await post(edge.url, manyLines(4));
    expect([status, headers.get('content-type'), headers.get('x-accel-buffering')]).toEqual([
      200,
      'application/x-ndjson; charset=utf-8',
      'no',
    ]);
    expect(lines).toEqual([
      { line: 1, id: 'job-1' },
      { line: 2, id: 'job-2' },
      { line: 3, id: 'job-3' },
      { line: 4, id: 'job-4' },
      { done: true, lines: 4, accepted: 4, refused: 0 },
    ]);
    expect(taken).toEqual([1, 2, 3, 4]);
  });

  it('refuses a wrong line by itself and goes on; blank lines count and are passed over', async () => {
    const { edge, taken } = await startStreams(async (n) => {
      if (n === 13) throw new AppError('unknown-job', 'There is no job 13.');
      if (n === 14) throw new TypeError('secret');
      return { id: n };
    });
    const long = `{"n":"${'a'.repeat(262_144)}"}`;
    const { lines } = await post(
      edge.url,
      `{"n":1}\r\n\n{"n":\n{"n":1,"n":2}\n{"m":1}\n${long}\n{"n":13}\n{"n":14}\n \n{"n":2}`,
    );
    expect(lines).toEqual([
      { line: 1, id: 1 },
      { line: 3, code: 'malformed-json', detail: expect.stringContaining('The job is not valid JSON') },
      {
        line: 4,
        code: 'invalid-input',
        detail: 'The job is wrong.',
        problems: [expect.objectContaining({ pointer: '/n' })],
      },
      { line: 5, code: 'invalid-input', detail: 'The job is wrong.', problems: expect.any(Array) },
      { line: 6, code: 'body-too-large', detail: 'The line has more than 262144 bytes.' },
      { line: 7, code: 'unknown-job', detail: 'There is no job 13.' },
      { line: 8, code: 'internal', detail: 'Look in the log for the request id.' },
      { line: 10, id: 2 },
      { done: true, lines: 10, accepted: 2, refused: 6 },
    ]);
    expect(taken).toEqual([1, 13, 14, 2]);
  });

  it('leaves the connection usable when it has come to its end', async () => {
    const { edge } = await startStreams(async (n) => ({ n }));
    const head = `POST /lines HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\n`;
    const both = `${head}Transfer-Encoding: chunked\r\n\r\n8\r\n${line(1)}\r\n0\r\n\r\n${head}Content-Length: 8\r\n\r\n${line(2)}`;
    const { answers, error } = await speak({ port: edge.port, parts: [both], expected: 2 });
    expect(error).toBeUndefined();
    expect(answers.map(({ status, body }) => [status, body.split('\n')[0]])).toEqual([
      [200, '{"line":1,"n":1}'],
      [200, '{"line":1,"n":2}'],
    ]);
  });

  it('answers while the rest is on its way', async () => {
    const { edge } = await startStreams(async (n) => ({ n }));
    const stream = await openStream(edge.port);
    stream.request.write(line(1));
    await stream.answered(1);
    stream.request.write(line(2));
    await stream.answered(2);
    stream.request.end();
    await stream.ended;
    expect(stream.lines().at(-1)).toEqual({ done: true, lines: 2, accepted: 2, refused: 0 });
  });

  it('is asked for when the client waits to be asked', async () => {
    const { edge } = await startStreams(async (n) => ({ n }));
    const head = 'POST /lines HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\nExpect: 100-continue\r\n';
    const parts = [`${head}Content-Length: 8\r\n\r\n`, line(1)];
    const { answers, interim } = await speak({ port: edge.port, parts, expected: 1 });
    expect([answers[0]?.status, interim]).toEqual([200, 1]);
  });

  it('is refused before the first line like any request', async () => {
    const { edge } = await startStreams(async (n) => ({ n }));
    const wrong = await post(edge.url, line(1), { 'Content-Type': 'application/json' });
    expect(wrong).toMatchObject({ status: 415, lines: [{ code: 'unsupported-media-type' }] });
  });

  it('takes 1,000 lines that nobody has finished, and no more until they are', async () => {
    const go = latch();
    const { edge, taken } = await startStreams(async (n) => {
      await go.opened;
      return { n };
    });
    const stream = await openStream(edge.port);
    stream.request.end(manyLines(30_000));
    await eventually(
      async () => taken.length,
      (length) => length >= 1000,
      5000,
    );
    // Others get their turn: what would be taken in spite of the limit would be taken meanwhile.
    await fetch(`${edge.url}/v1/items`);
    expect(taken.length).toBe(1000);
    go.open();
    await stream.ended;
    expect(stream.lines().at(-1)).toEqual({ done: true, lines: 30_000, accepted: 30_000, refused: 0 });
    expect(stream.lines().map((each) => each.line)).toEqual([
      ...Array.from({ length: 30_000 }, (_, at) => at + 1),
      undefined,
    ]);
  });

  it('is not read while its answers are not', async () => {
    const LARGE = 'x'.repeat(8000);
    const { edge, taken } = await startStreams(async (n) => ({ n, LARGE }));
    const stream = await openStream(edge.port);
    stream.response.pause();
    stream.request.end(manyLines(20_000));
    // 160 MB of answers: more than any socket holds. It stands still when many looks see the same.
    let before = 0;
    let looks = 0;
    const still = (length: number) => {
      looks = length === before ? looks + 1 : 0;
      before = length;
      return length > 0 && looks === 5;
    };
    await eventually(async () => taken.length, still, 10_000);
    expect(taken.length).toBeLessThan(10_000);
    stream.response.resume();
    await stream.ended;
    expect(taken.length).toBe(20_000);
  });

  it('stops when its client goes; what was taken stays taken', async () => {
    const go = latch();
    const { edge, taken } = await startStreams(async (n) => {
      await go.opened;
      return { n };
    });
    const stream = await openStream(edge.port);
    stream.request.write(`${manyLines(10)}{"n":`);
    await eventually(
      async () => taken.length,
      (length) => length === 10,
      5000,
    );
    stream.request.socket?.resetAndDestroy();
    const messages = async () => edge.log.map(({ msg }) => msg);
    await eventually(messages, (lines) => lines.includes('the client went after 10 lines'), 5000);
    go.open();
    await fetch(`${edge.url}/v1/items`);
    expect(taken).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(edge.log.filter(({ level }) => level !== 'debug')).toEqual([]);
  });

  it('notices that its client has gone by its answers when it is not reading', async () => {
    const go = latch();
    const { edge, taken } = await startStreams(async (n) => {
      await go.opened;
      return { n, large: 'x'.repeat(8000) };
    });
    const stream = await openStream(edge.port);
    stream.request.write(manyLines(50_000));
    await eventually(
      async () => taken.length,
      (length) => length === 1000,
      5000,
    );
    stream.request.destroy();
    await stream.closed;
    go.open();
    const messages = async () => edge.log.map(({ msg }) => String(msg));
    await eventually(messages, (lines) => lines.some((each) => each.startsWith('the client went after')), 5000);
    expect(taken.length).toBeLessThan(50_000);
  });

  it('ends with what is wrong when its chunks are broken, after the answers to what came before', async () => {
    const { edge } = await startStreams(async (n) => ({ n }));
    const head =
      'POST /lines HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n';
    const parts = [`${head}8\r\n${line(1)}\r\n`, 'nonsense\r\n'];
    const { answers, error } = await speak({ port: edge.port, parts, expected: 1 });
    expect(error).toBeUndefined();
    const lines = answers[0]?.body
      .trimEnd()
      .split('\n')
      .map((each) => JSON.parse(each));
    expect(lines).toEqual([
      { line: 1, n: 1 },
      { done: false, code: 'bad-request', detail: expect.any(String), lines: 1, accepted: 1, refused: 0 },
    ]);
  });

  it('ends with request-timeout when no byte comes for the time limit, however long it has lasted', async () => {
    const { edge } = await startStreams(async (n) => ({ n }), { requestTimeoutMs: 500, headersTimeoutMs: 100 });
    const stream = await openStream(edge.port);
    const startedMs = performance.now();
    for (let n = 1; performance.now() - startedMs < 1500; n++) {
      stream.request.write(line(n));
      await stream.answered(n);
    }
    const answered = stream.lines().length;
    stream.request.write('{"n":');
    await stream.ended;
    expect(stream.lines()[answered]).toEqual({
      done: false,
      code: 'request-timeout',
      detail: expect.any(String),
      lines: answered,
      accepted: answered,
      refused: 0,
    });
    stream.request.end();
    await stream.closed;
  });

  it('is not held to a time limit while it is the service that takes its time', async () => {
    const go = latch();
    const { edge } = await startStreams(
      async (n) => {
        await go.opened;
        return { n };
      },
      { requestTimeoutMs: 300, headersTimeoutMs: 100 },
    );
    const stream = await openStream(edge.port);
    stream.request.end(manyLines(2000));
    // Another connection is refused for its body by the same clock: this stream has been looked at by then.
    const head = 'POST /v1/items HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n';
    const { answers } = await speak({ port: edge.port, parts: [head], expected: 1 });
    expect(answers[0]?.status).toBe(408);
    go.open();
    await stream.ended;
    expect(stream.lines().at(-1)).toEqual({ done: true, lines: 2000, accepted: 2000, refused: 0 });
  });

  it('is told that the server stops: what was taken is answered, then how far it came', async () => {
    const go = latch();
    const { edge, taken } = await startStreams(async (n) => {
      await go.opened;
      return { n };
    });
    const stream = await openStream(edge.port);
    stream.request.write(manyLines(3));
    await eventually(
      async () => taken.length,
      (length) => length === 3,
      5000,
    );
    const stopped = edge.server.stop(Deadline.in(10_000));
    stream.request.write(manyLines(3));
    go.open();
    await stream.ended;
    expect(stream.lines().slice(3)).toEqual([
      { done: false, code: 'shutting-down', detail: 'This process is stopping.', lines: 3, accepted: 3, refused: 0 },
    ]);
    stream.request.end();
    await stopped;
    await stream.closed;
    expect(taken).toEqual([1, 2, 3]);
  });

  it('that would begin when the server already stops is 503', async () => {
    const asked = latch();
    const go = latch();
    const authenticate = async () => {
      asked.open();
      await go.opened;
      return { tenant: 'acme', operator: false };
    };
    const { edge } = await startStreams(async (n) => ({ n }), { authenticate });
    const answer = post(edge.url, line(1));
    await asked.opened;
    const stopped = edge.server.stop(Deadline.in(10_000));
    go.open();
    expect(await answer).toMatchObject({ status: 503, lines: [{ code: 'shutting-down' }] });
    await stopped;
  });

  it('ends with a last line also for a client that only stops sending', async () => {
    const { edge } = await startStreams(async (n) => ({ n }));
    const socket = connect({ port: edge.port, allowHalfOpen: true });
    socket.end(
      'POST /lines HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-ndjson\r\nContent-Length: 99\r\n\r\n{"n":1}\n{"n"',
    );
    let heard = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      heard += text;
    });
    await once(socket, 'end');
    expect(heard).toContain('{"line":1,"n":1}\n');
    expect(heard).toContain('{"done":false,"code":"bad-request"');
  });
});
