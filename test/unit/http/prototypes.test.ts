import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import express, { type Express, type Request, type Response } from 'express';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { stablePrototypes } from '../../../src/http/prototypes.ts';
import { startSmallApp } from './small-app.ts';

/** Everything that the API of Express offers on a request, as one JSON answer. */
function describeRequest(request: Request, response: Response) {
  response.json({
    get: request.get('X-Thing'),
    header: request.header('x-thing'),
    query: request.query,
    ip: request.ip,
    ips: request.ips,
    path: request.path,
    hostname: request.hostname,
    host: request.host.replace(/\d+$/, 'PORT'),
    protocol: request.protocol,
    secure: request.secure,
    subdomains: request.subdomains,
    fresh: request.fresh,
    stale: request.stale,
    xhr: request.xhr,
    accepts: request.accepts(['html', 'json']),
    acceptsEncodings: request.acceptsEncodings('gzip'),
    acceptsCharsets: request.acceptsCharsets('utf-8'),
    acceptsLanguages: request.acceptsLanguages('en'),
    is: request.is('json'),
    range: request.range(100),
    params: request.params,
    baseUrl: request.baseUrl,
    originalUrl: request.originalUrl,
    mountpath: request.app.mountpath,
    pairs: request.res === response && response.req === request && response.app === request.app,
  });
}

/** A page of everything that the API of Express offers on a response. */
function everything(folder: string, child: Express | undefined) {
  const router = express.Router();
  router.get('/describe/:id', describeRequest);
  router.get('/redirect', (_request, response) => response.redirect(303, '/elsewhere'));
  router.get('/type', (_request, response) => void response.type('svg').send('<svg/>'));
  router.get('/set', (_request, response) => {
    response.set('X-One', '1').append('X-One', '2').vary('Accept').links({ next: '/2' }).location('/there');
    response.status(201).attachment('report.csv').send(response.get('X-One'));
  });
  router.get(
    '/cookie',
    (_request, response) => void response.cookie('a', 'b', { httpOnly: true }).clearCookie('c').end(),
  );
  router.get('/file', (_request, response) => response.sendFile('page.txt', { root: folder }));
  router.get('/download', (_request, response) => response.download(join(folder, 'page.txt')));
  router.get(
    '/format',
    (_request, response) => void response.format({ text: () => response.send('text'), json: () => response.json({}) }),
  );
  router.get('/sendStatus', (_request, response) => void response.sendStatus(204));
  router.get('/jsonp', (_request, response) => void response.jsonp({ a: 1 }));
  router.get('/locals', (_request, response) => {
    response.locals.a = 1;
    response.json({ locals: response.locals, headersSent: response.headersSent });
  });
  router.get('/fresh', (request, response) => {
    response.set('ETag', '"1"').set('Last-Modified', 'Sat, 01 Jan 2000 00:00:00 GMT');
    if (request.fresh) response.status(304).end();
    else response.send('stale');
  });
  router.get('/buffer', (_request, response) => void response.contentType('bin').send(Buffer.from('bytes')));
  router.get('/header', (_request, response) => {
    response.header({ 'X-One': '1', 'X-Two': '2' }).removeHeader('X-Two');
    response.status(202).end(String(response.getHeader('x-one')));
  });
  router.use('/static', express.static(folder));
  router.post('/is', (request, response) => {
    response.json(['json', 'html', 'text/*', 'application/*'].map((type) => request.is(type)));
  });
  router.post('/json', express.json(), (request, response) => void response.json(request.body));
  if (child !== undefined) router.use('/child', child);
  return router;
}

describe('the stable prototypes', () => {
  let folder: string;
  let edge: Awaited<ReturnType<typeof startSmallApp>>;
  let stock: Awaited<ReturnType<typeof listen>>;

  /** The same handlers under Express as it comes: what ours must answer like. */
  async function listen(app: Express) {
    const server = app.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return { url: `http://127.0.0.1:${port}`, stop: () => new Promise((resolve) => server.close(resolve)) };
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-'));
    await writeFile(join(folder, 'page.txt'), 'a page');
    const mountedApp = () => {
      const child = express();
      child.get('/page', describeRequest);
      child.disable('x-powered-by');
      const app = express();
      app.disable('x-powered-by');
      app.use(everything(folder, child));
      return app;
    };
    edge = await startSmallApp({
      mounts: [
        { path: '/app', handler: mountedApp() },
        { path: '/router', handler: everything(folder, undefined) },
        { path: '/proxied', handler: proxied() },
      ],
    });
    const app = express().disable('x-powered-by');
    app.use('/app', mountedApp());
    app.use('/router', everything(folder, undefined));
    app.use('/proxied', proxied());
    stock = await listen(app);
  });
  afterAll(async () => {
    await edge.stop();
    await stock.stop();
    await rm(folder, { recursive: true });
  });

  /** Behind a proxy that is trusted, with a view engine of its own. */
  function proxied() {
    const app = express();
    app.disable('x-powered-by').set('trust proxy', true).set('views', folder).set('view engine', 'txt');
    app.engine('txt', (path, options, done) => done(null, `${path.split('/').at(-1)} for ${JSON.stringify(options)}`));
    app.get('/describe', describeRequest);
    app.get('/render', (_request, response) =>
      response.render('page', { settings: {}, cache: false, _locals: {}, who: 'a' }),
    );
    return app;
  }

  async function answerOf(url: string, path: string, init: RequestInit) {
    const answer = await fetch(url + path, { redirect: 'manual', ...init });
    const headers = Object.fromEntries(answer.headers);
    for (const name of ['date', 'x-request-id', 'keep-alive', 'last-modified']) delete headers[name];
    return { status: answer.status, headers, body: await answer.text() };
  }

  const paths = [
    '/describe/7?a=1&b=x',
    '/redirect',
    '/type',
    '/set',
    '/cookie',
    '/file',
    '/download',
    '/format',
    '/sendStatus',
    '/jsonp?callback=f',
    '/locals',
    '/static/page.txt',
    '/fresh',
    '/buffer',
    '/header',
  ];

  it.each([...paths.flatMap((path) => [`/app${path}`, `/router${path}`]), '/app/child/page?a=1'])(
    'leaves the answer to %s as Express gives it',
    async (path) => {
      const init = {
        headers: {
          'X-Thing': 'x',
          Accept: 'application/json',
          Range: 'bytes=0-2',
          'X-Requested-With': 'XMLHttpRequest',
        },
      };
      expect(await answerOf(edge.url, path, init)).toEqual(await answerOf(stock.url, path, init));
    },
  );

  it.each(['/app', '/router'])(
    'leaves conditional requests and HEAD below %s as Express answers them',
    async (mount) => {
      for (const [path, method] of [
        ['/fresh', 'GET'],
        ['/type', 'HEAD'],
        ['/static/page.txt', 'HEAD'],
      ] as const) {
        // Left to itself, fetch says no-cache to whoever is asked conditionally.
        const init = { method, cache: 'force-cache' as const, headers: { 'If-None-Match': '"1"' } };
        expect(await answerOf(edge.url, mount + path, init)).toEqual(await answerOf(stock.url, mount + path, init));
      }
      const init = { cache: 'force-cache' as const, headers: { 'If-None-Match': '"1"' } };
      expect((await answerOf(edge.url, `${mount}/fresh`, init)).status).toBe(304);
    },
  );

  it('leaves a mounted app its proxy settings and its views', async () => {
    const headers = {
      'X-Forwarded-For': '192.0.2.7',
      'X-Forwarded-Proto': 'https',
      'X-Forwarded-Host': 'a.b.example.org',
    };
    for (const path of ['/proxied/describe?a=1', '/proxied/render']) {
      expect(await answerOf(edge.url, path, { headers })).toEqual(await answerOf(stock.url, path, { headers }));
    }
    const described = JSON.parse((await answerOf(edge.url, '/proxied/describe', { headers })).body);
    expect(described).toMatchObject({ ip: '192.0.2.7', protocol: 'https', hostname: 'a.b.example.org' });
    expect((await answerOf(edge.url, '/proxied/render', {})).body).toContain('page.txt for {');
  });

  it.each(['/app/is', '/router/is'])('leaves what %s says of a body’s type as Express gives it', async (path) => {
    const init = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' };
    expect(await answerOf(edge.url, path, init)).toEqual(await answerOf(stock.url, path, init));
  });

  it('leaves the body parser of a mounted app working', async () => {
    const init = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"a":1}' };
    expect(await answerOf(edge.url, '/app/json', init)).toEqual(await answerOf(stock.url, '/app/json', init));
  });

  it('make the swap change nothing, before and after a mounted app has swapped its own in', async () => {
    const swap = vi.spyOn(Object, 'setPrototypeOf');
    const changes = () =>
      swap.mock.results.filter(({ value }, at) => before[at] !== Object.getPrototypeOf(value)).length;
    const before: unknown[] = [];
    swap.mockImplementation((target: object, prototype: object | null) => {
      before.push(Object.getPrototypeOf(target));
      Reflect.setPrototypeOf(target, prototype);
      return target;
    });
    try {
      await fetch(`${edge.url}/v1/items`);
      expect(swap).toHaveBeenCalledTimes(2);
      expect(changes()).toBe(0);
      await fetch(`${edge.url}/app/locals`);
      expect(changes()).toBeGreaterThan(0);
      const sofar = changes();
      await fetch(`${edge.url}/v1/items`);
      expect(changes()).toBe(sofar);
    } finally {
      swap.mockRestore();
    }
  });

  it('are made once for an app, and differ between apps', () => {
    const app = express();
    expect(stablePrototypes(app)).toBe(stablePrototypes(app));
    expect(stablePrototypes(app).IncomingMessage).not.toBe(stablePrototypes(express()).IncomingMessage);
  });
});
