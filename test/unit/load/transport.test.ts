import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Connections } from '../../load/transport.ts';
import { type Answer, type StandIn, startStandIn } from './stand-in-service.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function connect(url: string, most = 4): Connections {
  const connections = new Connections({ url: new URL(url), most, apiKey: 'sesame' });
  closers.push(() => connections.close());
  return connections;
}

async function standIn(answer: Answer): Promise<StandIn> {
  const service = await startStandIn({ paths: { '/here': answer } });
  closers.push(() => service.close());
  return service;
}

/** A server that says these bytes to whoever connects. */
async function rawServer(meet: (socket: Socket) => void): Promise<string> {
  const server: Server = createServer(meet).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  const address = server.address();
  return typeof address === 'object' ? `http://127.0.0.1:${address?.port}` : '';
}

const ask = (connections: Connections, timeoutMs = 10_000) =>
  connections.call({ method: 'GET', path: '/here', timeoutMs });

describe('a call', () => {
  it('brings the key, and gives status and text', async () => {
    const service = await standIn((request, response) => response.writeHead(418).end(request.headers.authorization));
    expect(await ask(connect(service.url))).toEqual({ status: 418, text: 'Bearer sesame' });
  });

  it('sends its body with a length, and goes below the path of the URL', async () => {
    const service = await startStandIn({
      paths: {
        '/under/here': (request, response, body) => response.end(`${request.headers['content-length']} ${body}`),
      },
    });
    closers.push(() => service.close());
    const connections = connect(`${service.url}/under/`);
    const call = { method: 'POST', path: '/here', body: '{"é":1}', timeoutMs: 10_000 } as const;
    expect(await connections.call(call)).toEqual({ status: 200, text: '8 {"é":1}' });
  });

  it('leaves the text of an answer that nobody wants, and uses the connection again', async () => {
    const ports = new Set<number | undefined>();
    const service = await standIn((request, response) => {
      ports.add(request.socket.remotePort);
      response.end('x'.repeat(3_000_000));
    });
    const connections = connect(service.url, 1);
    const call = { method: 'GET', path: '/here', timeoutMs: 10_000, reads: () => false } as const;
    expect(await connections.call(call)).toEqual({ status: 200 });
    expect(await connections.call(call)).toEqual({ status: 200 });
    expect(ports.size).toBe(1);
  });

  it('keeps at most 1 MB of an answer', async () => {
    const service = await standIn((_request, response) => response.end('x'.repeat(5_000_000)));
    expect((await ask(connect(service.url))).text?.length).toBeLessThanOrEqual(1024 * 1024);
  });

  it('says that nothing answers', async () => {
    const service = await startStandIn();
    await service.close();
    expect(await ask(connect(service.url))).toEqual({ status: 0, code: 'connection-refused' });
  });

  it('says that the connection broke, before the answer and in the middle of it', async () => {
    const early = await standIn((request) => request.socket.destroy());
    expect(await ask(connect(early.url))).toEqual({ status: 0, code: 'connection-reset' });
    const late = await standIn((request, response) => {
      response.writeHead(200, { 'content-length': 1000 });
      response.write('half', () => request.socket.destroy());
    });
    expect(await ask(connect(late.url))).toEqual({ status: 0, code: 'connection-reset' });
  });

  it('says that it took too long, also when the answer stops in the middle', async () => {
    const silent = await standIn(() => {});
    expect(await ask(connect(silent.url), 50)).toEqual({ status: 0, code: 'timed-out' });
    const stopping = await standIn((_request, response) => {
      response.write('half');
    });
    expect(await ask(connect(stopping.url), 50)).toEqual({ status: 0, code: 'timed-out' });
  });

  it('says that what answers is no HTTP', async () => {
    const url = await rawServer((socket) => {
      socket.on('error', () => socket.destroy());
      socket.end('-ERR unknown command\r\n');
    });
    expect(await ask(connect(url))).toEqual({ status: 0, code: 'not-http' });
  });

  it('ends as cancelled when the connections are closed, and so does every later one', async () => {
    const service = await standIn(() => {});
    const connections = connect(service.url);
    const call = ask(connections);
    await expect.poll(() => service.asked).toEqual(['GET /here']);
    connections.close();
    expect(await call).toEqual({ status: 0, code: 'cancelled' });
    expect(await ask(connections)).toEqual({ status: 0, code: 'cancelled' });
  });
});
