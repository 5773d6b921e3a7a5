/** The fetcher against real servers on loopback, which only these tests may reach: redirects, sizes, stalls, names. */

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fetcher, type FetcherOptions } from '../../src/providers/fetcher.ts';

const content = randomBytes(300_000);
const seen: IncomingMessage[] = [];
let server: Server;
let port: number;

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

const redirect = (status: number, location: string) => (response: ServerResponse) => {
  response.writeHead(status, { location }).end('moved');
};

const ANSWERS: Readonly<Record<string, Answer>> = {
  '/file': (response) => response.end(content),
  '/chunked': (response) => {
    response.write(content.subarray(0, 1000));
    response.end(content.subarray(1000));
  },
  '/redirect': redirect(302, '/file'),
  '/three': redirect(307, '/two'),
  '/two': redirect(308, '/redirect'),
  '/four': redirect(301, '/three'),
  '/to-metadata': redirect(302, 'http://169.254.169.254/latest/meta-data/'),
  '/to-file': redirect(302, 'file:///etc/passwd'),
  '/to-credentials': redirect(302, 'http://user:secret@there.test/'),
  '/to-nowhere': (response) => response.writeHead(302).end(),
  '/cut': (response) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('x'.repeat(500), () => response.destroy());
  },
  '/mute': () => undefined,
  '/drip': (response) => {
    const timer = setInterval(() => response.write('x'), 20);
    response.once('close', () => clearInterval(timer));
  },
  '/endless': (response) => {
    const more = () => response.write(content) && setImmediate(more);
    response.on('drain', more);
    more();
  },
  '/liar': (response) => {
    response.writeHead(200, { 'content-length': '99999999' });
    response.write('x');
  },
  '/gzip': (response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'),
  '/404': (response) => response.writeHead(404).end('no'),
  '/403': (response) => response.writeHead(403).end('no'),
  '/206': (response) => response.writeHead(206).end('part'),
  '/429': (response) => response.writeHead(429).end('later'),
  '/503': (response) => response.writeHead(503).end('later'),
};

beforeAll(async () => {
  server = createServer((request, response) => {
    seen.push(request);
    ANSWERS[request.url ?? '']?.(response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const fetcher = (options: Partial<FetcherOptions> = {}) =>
  new Fetcher({
    allowHttp: true,
    ports: [port, 80],
    isOpen: (address) => address === '127.0.0.1',
    resolve: async () => ['127.0.0.1'],
    ...options,
  });

const forever = new AbortController().signal;
const fetched = (
  path: string,
  { maxBytes = 1_000_000, options = {} as Partial<FetcherOptions>, signal = forever } = {},
) => buffer(fetcher(options).fetch(`http://there.test:${port}${path}`, { maxBytes, signal }));

describe('fetching a file', () => {
  it.each(['/file', '/chunked', '/redirect', '/three'])('gives its bytes: %s', async (path) => {
    expect((await fetched(path)).equals(content)).toBe(true);
  });

  it('asks for the name that the URL says, at the address that was looked at, with nothing of ours', async () => {
    seen.length = 0;
    await fetched('/file');
    expect(seen[0]?.headers).toEqual({
      host: `there.test:${port}`,
      accept: '*/*',
      'accept-encoding': 'identity',
      'user-agent': 'millrace',
      connection: 'close',
    });
  });

  it('connects to the address that was looked at, whatever the name says next', async () => {
    let asked = 0;
    const resolve = async () => [asked++ === 0 ? '127.0.0.1' : '10.0.0.1'];
    expect((await fetched('/file', { options: { resolve } })).equals(content)).toBe(true);
    expect(asked).toBe(1);
    // A redirect to the same name asks anew, and is looked at anew.
    asked = 0;
    await expect(fetched('/redirect', { options: { resolve } })).rejects.toMatchObject({ code: 'url-refused' });
  });

  it.each([
    ['/four', 'fetch-refused'],
    ['/to-metadata', 'url-refused'],
    ['/to-file', 'url-refused'],
    ['/to-credentials', 'url-refused'],
    ['/to-nowhere', 'fetch-refused'],
    ['/cut', 'fetch-failed'],
    ['/gzip', 'fetch-refused'],
    ['/404', 'fetch-refused'],
    ['/403', 'fetch-refused'],
    ['/206', 'fetch-refused'],
    ['/429', 'fetch-failed'],
    ['/503', 'fetch-failed'],
    ['/liar', 'media-too-large'],
    ['/endless', 'media-too-large'],
  ])('ends %s with %s', async (path, code) => {
    await expect(fetched(path)).rejects.toMatchObject({ code });
  });

  it.each(['/mute', '/drip'])('ends at its deadline when the other server takes for ever: %s', async (path) => {
    await expect(fetched(path, { options: { totalMs: 300 } })).rejects.toMatchObject({ code: 'fetch-failed' });
  });

  it('ends with the reason of its caller', async () => {
    const controller = new AbortController();
    const ended = fetched('/drip', { signal: controller.signal });
    controller.abort(new Error('the attempt is over'));
    await expect(ended).rejects.toThrow('the attempt is over');
  });

  it('says fetch-failed when nobody listens', async () => {
    const refused = fetcher().fetch('http://there.test:80/', { maxBytes: 1, signal: forever });
    await expect(refused.next()).rejects.toMatchObject({ code: 'fetch-failed' });
  });

  it('closes its connection when its caller wants no more', async () => {
    seen.length = 0;
    for await (const _piece of fetcher().fetch(`http://there.test:${port}/drip`, { maxBytes: 1000, signal: forever }))
      break;
    const socket = seen[0]?.socket;
    if (socket?.destroyed === false) await new Promise((resolve) => socket.once('close', resolve));
    expect(socket?.destroyed).toBe(true);
  });
});

describe('fetching over TLS', () => {
  const trusted = readFileSync(join(import.meta.dirname, '../fixtures/tls/there.test.crt'), 'utf8');
  const key = readFileSync(join(import.meta.dirname, '../fixtures/tls/there.test.key'), 'utf8');
  const names: unknown[] = [];
  let secure: SecureServer;
  let securePort: number;

  beforeAll(async () => {
    secure = createSecureServer({ key, cert: trusted }, (_request, response) => response.end(content));
    secure.on('secureConnection', (socket) => names.push(socket.servername));
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve));
    const address = secure.address();
    securePort = typeof address === 'object' && address !== null ? address.port : 0;
  });

  afterAll(() => {
    secure.closeAllConnections();
    secure.close();
  });

  const over = (name: string, options: Partial<FetcherOptions>) =>
    buffer(
      fetcher({ allowHttp: false, ports: [securePort], ...options }).fetch(`https://${name}:${securePort}/file`, {
        maxBytes: 1_000_000,
        signal: forever,
      }),
    );

  it('asks for the name of the URL at the address that was looked at, and checks the certificate against it', async () => {
    expect((await over('there.test', { ca: trusted })).equals(content)).toBe(true);
    expect(names).toEqual(['there.test']);
  });

  it('trusts no certificate of another name, and none that nobody vouches for', async () => {
    await expect(over('elsewhere.test', { ca: trusted })).rejects.toMatchObject({ code: 'fetch-failed' });
    await expect(over('there.test', {})).rejects.toMatchObject({ code: 'fetch-failed' });
  });
});
