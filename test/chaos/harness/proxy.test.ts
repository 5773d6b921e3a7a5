/** The proxy between a client and a server that echoes. */

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../../support/millrace-process.ts';
import { Clock } from './clock.ts';
import { PASS, TcpProxy } from './proxy.ts';
import { Seed } from './seed.ts';

let clock: Clock;
let server: Server;
let proxy: TcpProxy;
let heard = '';
const sockets = new Set<Socket>();

beforeEach(async () => {
  heard = '';
  clock = new Clock();
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => {
      heard += bytes.toString();
      socket.write(bytes);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const target = typeof address === 'object' && address !== null ? address.port : 0;
  proxy = new TcpProxy({ target, clock, random: new Seed(7).row('proxy') });
  await proxy.start();
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await proxy.close();
  server.close();
  clock.stop();
});

/** A connection through the proxy, and what came back on it. */
async function call() {
  const socket = connect({ port: proxy.port, host: '127.0.0.1', noDelay: true });
  sockets.add(socket);
  const seen = { text: '', error: '', closed: false };
  socket.on('data', (bytes) => {
    seen.text += bytes.toString();
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    seen.error = error.code ?? '';
  });
  socket.on('close', () => {
    seen.closed = true;
  });
  await once(socket, 'connect');
  return { socket, seen };
}

type Seen = Awaited<ReturnType<typeof call>>['seen'];
const until = (seen: Seen, right: (seen: Seen) => boolean) => eventually(async () => ({ ...seen }), right, 5000);
const arrived = (bytes: number) =>
  eventually(
    async () => proxy.did.bytes,
    (count) => count >= bytes,
    5000,
  );
const heardNow = (right: (text: string) => boolean) => eventually(async () => heard, right, 5000);

describe('the proxy', () => {
  test('passes bytes and goodbyes both ways', async () => {
    const { socket, seen } = await call();
    socket.write('hello');
    await until(seen, ({ text }) => text === 'hello');
    socket.end();
    await until(seen, ({ closed }) => closed);
    expect(seen.error).toBe('');
  });

  test('keeps the order of bytes when it becomes slow and quick again', async () => {
    const { socket, seen } = await call();
    await proxy.behave({ kind: 'delay', ms: 100, jitterMs: 50 });
    const startedMs = clock.nowMs;
    for (const part of ['a', 'b', 'c']) socket.write(part);
    await arrived(3);
    await proxy.behave(PASS);
    socket.write('d');
    await until(seen, ({ text }) => text === 'abcd');
    expect(clock.nowMs - startedMs).toBeGreaterThan(90);
  });

  test('lets bytes trickle', async () => {
    const { socket, seen } = await call();
    await proxy.behave({ kind: 'trickle', bytesPerSecond: 2000 });
    const startedMs = clock.nowMs;
    socket.write('x'.repeat(400));
    await until(seen, ({ text }) => text.length === 400);
    expect(clock.nowMs - startedMs).toBeGreaterThan(150);
  });

  test('swallows everything in a black hole, and resets what has lost bytes afterwards', async () => {
    const untouched = await call();
    const { socket, seen } = await call();
    await proxy.behave({ kind: 'swallow' });
    socket.write('gone');
    const late = await call();
    late.socket.write('gone too');
    await arrived(12);
    expect(heard).toBe('');
    expect(seen).toEqual({ text: '', error: '', closed: false });
    await proxy.behave(PASS);
    await until(seen, ({ error }) => error === 'ECONNRESET');
    await until(late.seen, ({ error }) => error === 'ECONNRESET');
    untouched.socket.write('here');
    await until(untouched.seen, ({ text }) => text === 'here');
  });

  test('loses one direction only when it is half open', async () => {
    const { socket, seen } = await call();
    await proxy.behave({ kind: 'half-open', lost: 'down' });
    socket.write('done');
    await heardNow((text) => text === 'done');
    expect(seen.text).toBe('');
    await proxy.behave(PASS);
    await until(seen, ({ error }) => error === 'ECONNRESET');
  });

  test('holds everything while it is stalled, and then delivers it', async () => {
    const { socket, seen } = await call();
    await proxy.behave({ kind: 'stall' });
    socket.write('late');
    await arrived(4);
    expect(heard).toBe('');
    await proxy.behave(PASS);
    await until(seen, ({ text }) => text === 'late');
  });

  test('resets open and new connections', async () => {
    const { seen } = await call();
    await proxy.behave({ kind: 'reset' });
    await until(seen, ({ error }) => error === 'ECONNRESET');
    // The reset may come while the client still connects.
    const next = await call().then(
      ({ seen: later }) => until(later, ({ closed }) => closed),
      (error: NodeJS.ErrnoException) => ({ error: error.code }),
    );
    expect(next.error).toBe('ECONNRESET');
  });

  test('refuses connections, and listens on the same port again', async () => {
    const { port } = proxy;
    await proxy.behave({ kind: 'refuse' });
    await expect(call()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await proxy.behave(PASS);
    expect(proxy.port).toBe(port);
    const { socket, seen } = await call();
    socket.write('back');
    await until(seen, ({ text }) => text === 'back');
  });

  test('eats an answer after the server has heard the request', async () => {
    const { socket, seen } = await call();
    await proxy.behave({ kind: 'eat', share: 1 });
    socket.write('run this');
    await until(seen, ({ error }) => error === 'ECONNRESET');
    expect(heard).toBe('run this');
    expect(seen.text).toBe('');
    expect(proxy.did.eaten).toBe(1);
  });

  test('eats the share of answers that it is told', async () => {
    await proxy.behave({ kind: 'eat', share: 0.3 });
    for (let i = 0; i < 60; i++) {
      const { socket, seen } = await call();
      socket.write('x');
      await until(seen, ({ text, closed }) => closed || text === 'x');
      socket.destroy();
    }
    expect(proxy.did.eaten).toBeGreaterThan(8);
    expect(proxy.did.eaten).toBeLessThan(30);
  });

  test('cuts a request in the middle', async () => {
    const { socket, seen } = await call();
    await proxy.behave({ kind: 'cut', share: 1 });
    socket.write('0123456789');
    await until(seen, ({ error }) => error === 'ECONNRESET');
    expect('0123456789'.startsWith(heard)).toBe(true);
    expect(heard.length).toBeLessThan(10);
  });

  test('springs its trap at exactly the byte that was chosen', async () => {
    const { socket, seen } = await call();
    let sprung = 0;
    proxy.setTrap('up', 14, () => {
      sprung += 1;
    });
    socket.write('0123456789');
    await until(seen, ({ text }) => text.length === 10);
    expect(sprung).toBe(0);
    socket.write('abcdefghij');
    await until(seen, ({ error }) => error === 'ECONNRESET');
    expect(sprung).toBe(1);
    await heardNow((text) => text === '0123456789abcd');
  });

  test('resets the client when the server is gone', async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
    const { seen } = await call();
    await until(seen, ({ closed }) => closed);
    expect(seen.error).toBe('ECONNRESET');
  });
});
