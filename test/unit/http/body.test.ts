import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { MAX_BODY_BYTES } from '../../../src/http/body.ts';
import { chunkedPost, jsonPost, refusalFaults, requestBytes } from '../../support/hostile-player.ts';
import { type Bytes, parseAnswers, speak } from '../../support/raw-http.ts';
import { startSmallApp } from './small-app.ts';

/** A JSON document of exactly `bytes` bytes. */
const documentOf = (bytes: number) => `{"name":"${'b'.repeat(bytes - 11)}"}`;

describe('a body', () => {
  let edge: Awaited<ReturnType<typeof startSmallApp>>;

  beforeAll(async () => {
    edge = await startSmallApp();
  });
  afterAll(() => edge.stop());

  /** Send these parts and hand back what the handler saw of the body. */
  async function seen(...parts: Bytes[]) {
    const { answers, error } = await speak({ port: edge.port, parts, expected: 1 });
    expect(error).toBeUndefined();
    expect(answers[0]?.status, answers[0]?.body).toBe(202);
    return JSON.parse(answers[0]?.body ?? '');
  }

  it.each([
    'application/json',
    'APPLICATION/JSON',
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"',
    'application/json ; charset=utf-8 ',
    'application/json;',
  ])('is accepted as %s', async (type) => {
    const bytes = requestBytes(edge.target, 'POST', '/v1/items', [`Content-Type: ${type}`], '{"name":"é"}');
    expect(await seen(bytes)).toEqual({ name: 'é', tenant: 'acme', bytes: 13 });
  });

  it.each([
    ['gzip', gzipSync],
    ['x-gzip', gzipSync],
    ['GZIP', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    ['identity', Buffer.from],
  ])('is decoded from %s', async (encoding, encode) => {
    const body = encode(Buffer.from('{"name":"é"}'));
    expect((await seen(jsonPost(edge.target, body, [`Content-Encoding: ${encoding}`]))).name).toBe('é');
  });

  it('may have exactly as many bytes as the limit says, plain, in chunks and compressed', async () => {
    const text = documentOf(MAX_BODY_BYTES);
    expect((await seen(jsonPost(edge.target, text))).bytes).toBe(MAX_BODY_BYTES);
    expect((await seen(...chunkedPost(edge.target, `40000\r\n${text}\r\n0\r\n\r\n`))).bytes).toBe(MAX_BODY_BYTES);
    const gzip = jsonPost(edge.target, gzipSync(text), ['Content-Encoding: gzip']);
    expect((await seen(gzip)).bytes).toBe(MAX_BODY_BYTES);
  });

  it('that came with its head leaves the connection usable, whether it was taken or refused', async () => {
    const large = documentOf(100_000);
    const sent: [text: string, status: number, name?: string][] = [
      ['{"name":"a"}', 202, 'a'],
      ['{"name":1}', 422],
      [large, 202, JSON.parse(large).name],
      ['{"name"', 400],
      ['{"name":"b"}', 202, 'b'],
    ];
    const parts = sent.map(([text]) => jsonPost(edge.target, text));
    // All in one piece, and then each by itself, on the same connection.
    const all = [Buffer.concat(parts), ...parts];
    const { answers, error } = await speak({ port: edge.port, parts: all, expected: sent.length * 2 });
    expect(error).toBeUndefined();
    const expected = sent.map(([, status, name]) => [status, name]);
    expect(answers.map(({ status, body }) => [status, JSON.parse(body).name])).toEqual([...expected, ...expected]);
  });

  it('is listened to unless it came with its head', async () => {
    const requests: IncomingMessage[] = [];
    const note = (message: unknown) => requests.push((message as { request: IncomingMessage }).request);
    subscribe('http.server.request.start', note);
    onTestFinished(() => void unsubscribe('http.server.request.start', note));
    const expected = { name: 'é', tenant: 'acme', bytes: 13 };
    expect(await seen(jsonPost(edge.target, '{"name":"é"}'))).toEqual(expected);
    expect(await seen(...chunkedPost(edge.target, 'd\r\n{"name":"é"}\r\n0\r\n\r\n'))).toEqual(expected);
    expect(requests.map((request) => request.listenerCount('data'))).toEqual([0, 1]);
  });

  it('arrives whole from many small pieces', async () => {
    const text = documentOf(20_000);
    const chunks = text.replace(/.{1,7}/g, (piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`);
    expect((await seen(...chunkedPost(edge.target, `${chunks}0\r\n\r\n`))).name).toBe('b'.repeat(20_000 - 11));
    const whole = jsonPost(edge.target, text);
    const packets = Array.from({ length: Math.ceil(whole.length / 997) }, (_, at) =>
      whole.subarray(at * 997, at * 997 + 997),
    );
    expect((await seen(...packets)).bytes).toBe(20_000);
  });

  it('is asked for when the client waits to be asked, unless it is too large', async () => {
    const ask = (body: string) => [
      requestBytes(edge.target, 'POST', '/v1/items', [
        'Content-Type: application/json',
        'Expect: 100-continue',
        `Content-Length: ${body.length}`,
      ]),
      body,
    ];
    expect((await seen(...ask('{"name":"a"}'))).name).toBe('a');
    const head = ask(documentOf(MAX_BODY_BYTES + 1)).slice(0, 1);
    const { answers, interim } = await speak({ port: edge.port, parts: head, expected: 1 });
    expect(answers.map(({ status }) => status)).toEqual([413]);
    expect(interim).toBe(0);
  });

  it('is not asked for when the request is refused without it, and the connection closes', async () => {
    for (const [path, status] of [
      ['/nothing', 404],
      ['/v1/items?a=1', 422],
    ] as const) {
      const held = requestBytes(edge.target, 'POST', path, [
        'Content-Type: application/json',
        'Expect: 100-continue',
        'Content-Length: 12',
      ]);
      const { answers, interim } = await speak({ port: edge.port, parts: [held], expected: 1 });
      expect([answers.map((answer) => [answer.status, answer.headers.connection]), interim]).toEqual([
        [[status, 'close']],
        0,
      ]);
    }
  });

  it.each(['10 MB with a length', '10 MB in chunks'])(
    'of %s is refused so that a client which writes first and reads last can read it',
    async (kind) => {
      const megabyte = Buffer.alloc(1024 * 1024, 0x20);
      const chunk = Buffer.concat([Buffer.from('100000\r\n'), megabyte, Buffer.from('\r\n')]);
      const parts = kind.endsWith('length')
        ? [jsonPost(edge.target, Buffer.concat(Array.from({ length: 10 }, () => megabyte)))]
        : [...chunkedPost(edge.target, ...Array.from({ length: 10 }, () => chunk)), '0\r\n\r\n'];
      const received = await new Promise<Buffer>((resolve, reject) => {
        const socket = connect(edge.port, '127.0.0.1').pause();
        const heard: Buffer[] = [];
        for (const part of parts.slice(0, -1)) socket.write(part);
        // Not a byte is read before the last one has been written.
        socket.write(parts.at(-1) ?? '', () => socket.resume());
        socket.on('data', (bytes) => heard.push(bytes));
        socket.on('error', reject);
        socket.on('close', () => resolve(Buffer.concat(heard)));
      });
      const [answer] = parseAnswers(received).answers;
      expect(answer?.status).toBe(413);
      expect(answer?.headers.connection).toBe('close');
      expect(answer && refusalFaults(answer)).toEqual([]);
    },
  );

  it('that nobody will read leaves the connection usable when it is small', async () => {
    const refused = requestBytes(edge.target, 'POST', '/nothing', ['Content-Type: application/json'], '{"a":1}');
    const parts = [refused, jsonPost(edge.target, '{}')];
    const { answers } = await speak({ port: edge.port, parts, expected: 2 });
    expect(answers.map(({ status }) => status)).toEqual([404, 202]);
  });

  it('that is cut off by a hang-up is no error of ours', async () => {
    const before = edge.log.length;
    const parts = [jsonPost(edge.target, documentOf(1000)).subarray(0, -100)];
    await speak({ port: edge.port, parts, expected: 0, hangUp: 'reset' });
    await expect.poll(() => edge.log.length).toBeGreaterThan(before);
    for (const { level, status } of edge.log.slice(before)) expect([level, status]).toEqual(['info', 400]);
  });
});
