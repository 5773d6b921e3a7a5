import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { defineRoute } from '../../../src/http/route.ts';
import { Deadline } from '../../../src/lifecycle.ts';
import { requestBytes } from '../../support/hostile-player.ts';
import { latch } from '../../support/latch.ts';
import { parseAnswers, speak } from '../../support/raw-http.ts';
import { itemRoutes, type SmallAppOptions, startSmallApp } from './small-app.ts';

/** A small app with a route that answers when the test says so. */
async function startWaiting(options: SmallAppOptions = {}) {
  const entered = latch();
  const answered = latch();
  const waits = defineRoute({
    method: 'GET',
    path: '/waits',
    access: 'open',
    about: 'A test.',
    handle: async ({ signal }) => {
      signal.addEventListener('abort', () => answered.open());
      entered.open();
      await answered.opened;
      return { text: 'at last' };
    },
  });
  const edge = await startSmallApp({ ...options, routes: [...itemRoutes, waits] });
  onTestFinished(() => edge.stop());
  return { ...edge, entered: entered.opened, answer: answered.open };
}

/** A connection that has been answered once and is idle. */
async function idleConnection(edge: Awaited<ReturnType<typeof startWaiting>>) {
  const socket = connect(edge.port, '127.0.0.1');
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.write(requestBytes(edge.target, 'GET', '/v1/items'));
  await new Promise((resolve) => socket.once('data', resolve));
  return { socket, closed };
}

const JSON_TYPE = 'Content-Type: application/json';

/** What a connection says until the server ends it. */
async function everythingFrom(socket: Socket): Promise<Buffer> {
  const heard: Buffer[] = [];
  socket.on('data', (bytes) => heard.push(bytes));
  await once(socket, 'close');
  return Buffer.concat(heard);
}

describe('stopping the server', () => {
  it('finishes what is being answered, with Connection: close, and refuses new connections meanwhile', async () => {
    const edge = await startWaiting();
    const conversation = speak({ port: edge.port, parts: [requestBytes(edge.target, 'GET', '/waits')], expected: 1 });
    await edge.entered;
    const stopped = edge.server.stop(Deadline.in(10_000));
    const refused = await speak({
      port: edge.port,
      parts: [requestBytes(edge.target, 'GET', '/v1/items')],
      expected: 1,
    });
    expect(refused.error).toBe('ECONNREFUSED');
    edge.answer();
    const { answers, error } = await conversation;
    expect(error).toBeUndefined();
    expect(answers).toMatchObject([{ status: 200, body: 'at last', headers: { connection: 'close' } }]);
    await stopped;
  });

  it('closes idle connections at once', async () => {
    const edge = await startWaiting();
    const { closed } = await idleConnection(edge);
    await edge.server.stop(Deadline.in(10_000));
    await closed;
  });

  it('ends what is left at the deadline, and tells its handler', async () => {
    const edge = await startWaiting();
    const conversation = speak({ port: edge.port, parts: [requestBytes(edge.target, 'GET', '/waits')], expected: 1 });
    await edge.entered;
    const startMs = performance.now();
    await edge.server.stop(Deadline.in(50));
    expect(performance.now() - startMs).toBeLessThan(2000);
    expect((await conversation).answers).toEqual([]);
  });

  it('ends a connection that never said anything at the deadline', async () => {
    const edge = await startWaiting();
    const socket = connect(edge.port, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await edge.server.stop(Deadline.in(50));
    await closed;
  });

  it('may be asked for twice, and before the start', async () => {
    const edge = await startWaiting();
    await Promise.all([edge.server.stop(Deadline.in(1000)), edge.server.stop(Deadline.in(1000))]);
    await edge.server.stop(Deadline.in(0));
  });
});

describe('the server', () => {
  it('answers requests that come together in their order', async () => {
    const edge = await startWaiting();
    const pipelined = ['/waits', '/v1/items/1', '/v1/items/2'].map((path) => requestBytes(edge.target, 'GET', path));
    const conversation = speak({ port: edge.port, parts: [Buffer.concat(pipelined)], expected: 3 });
    await edge.entered;
    edge.answer();
    const { answers } = await conversation;
    expect(answers.map(({ body }) => body)).toEqual(['at last', '{"id":"1","wait":null}', '{"id":"2","wait":null}']);
  });

  it('tells every handler of a connection that it has gone, also those in line', async () => {
    const gone = latch();
    let waiting = 0;
    const waits = defineRoute({
      method: 'GET',
      path: '/line',
      access: 'open',
      about: 'A test.',
      handle: ({ signal }) =>
        new Promise((resolve) => {
          if (++waiting === 3) entered.open();
          signal.addEventListener('abort', () => {
            if (--waiting === 0) gone.open();
            resolve({});
          });
        }),
    });
    const entered = latch();
    const edge = await startSmallApp({ routes: [...itemRoutes, waits] });
    onTestFinished(() => edge.stop());
    const socket = connect(edge.port, '127.0.0.1');
    socket.write(Buffer.concat(Array.from({ length: 3 }, () => requestBytes(edge.target, 'GET', '/line'))));
    await entered.opened;
    socket.destroy();
    await gone.opened;
  });

  it('closes a connection that stays idle', async () => {
    const edge = await startWaiting({ keepAliveTimeoutMs: 50 });
    const { closed } = await idleConnection(edge);
    await closed;
  });

  it('gives a body its time limit as a whole, however small its pieces are', async () => {
    const edge = await startWaiting({ requestTimeoutMs: 400, headersTimeoutMs: 100 });
    const slow = connect(edge.port, '127.0.0.1');
    slow.write(requestBytes(edge.target, 'POST', '/v1/items', [JSON_TYPE, 'Content-Length: 1000']));
    const drip = setInterval(() => slow.write(' '), 20);
    onTestFinished(() => clearInterval(drip));
    const [answer] = parseAnswers(await everythingFrom(slow)).answers;
    expect([answer?.status, answer && JSON.parse(answer.body).code]).toEqual([408, 'request-timeout']);
  });

  it('does not wait for the rest of a body that it has answered already', async () => {
    const edge = await startWaiting({ requestTimeoutMs: 300, headersTimeoutMs: 100 });
    const socket = connect(edge.port, '127.0.0.1');
    socket.write(requestBytes(edge.target, 'POST', '/nothing', [JSON_TYPE, 'Content-Length: 1000']));
    const { answers } = parseAnswers(await everythingFrom(socket));
    expect(answers.map(({ status }) => status)).toEqual([404, 408]);
  });

  it('lets a route take its time when the request is whole', async () => {
    const edge = await startWaiting({ requestTimeoutMs: 300, headersTimeoutMs: 100 });
    const conversation = speak({ port: edge.port, parts: [requestBytes(edge.target, 'GET', '/waits')], expected: 1 });
    await edge.entered;
    // The same clock has found another connection late: this one has been looked at.
    const socket = connect(edge.port, '127.0.0.1');
    socket.write(requestBytes(edge.target, 'POST', '/v1/items', [JSON_TYPE, 'Content-Length: 1000']));
    await everythingFrom(socket);
    edge.answer();
    expect((await conversation).answers.map(({ body }) => body)).toEqual(['at last']);
  });

  it('names the variable when its port is taken', async () => {
    const edge = await startWaiting();
    await expect(startSmallApp({ port: edge.port })).rejects.toThrow(
      `Port ${edge.port} on 127.0.0.1 is taken by another process. Set PORT to a free one.`,
    );
  });

  it('names the variable when its address is not this machine’s', async () => {
    await expect(startSmallApp({ host: '192.0.2.1' })).rejects.toThrow('Set HOST');
  });
});
