/** POST and GET /v1/media and signed links, through a real web process: uploads right and wrong, two tenants. */

import { createHash, randomBytes } from 'node:crypto';
import { readdir, readlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { REAL_JOBS } from '../support/producer-side.ts';
import { speak } from '../support/raw-http.ts';
import { openWebSite, type WebAnswer, type WebSite } from '../support/web-site.ts';

const MAX_BYTES = 1_000_000;

let site: WebSite;
let acme: string;
let globex: string;

beforeAll(async () => {
  site = await openWebSite({
    jobsDir: REAL_JOBS,
    worker: false,
    environment: { AUTH: 'on', MEDIA_MAX_BYTES: String(MAX_BYTES) },
  });
  const { apiKeys } = site.web.services;
  acme = (await apiKeys.create({ tenant: 'acme', label: 'test' })).key;
  globex = (await apiKeys.create({ tenant: 'globex', label: 'test' })).key;
});

afterAll(() => site.close());

const base = () => `http://127.0.0.1:${site.port}`;
const folder = () => site.world.config.MEDIA_DIR ?? '';
const json = async (answer: Response): Promise<WebAnswer['body']> => answer.json();
const sha256 = (content: Buffer) => createHash('sha256').update(content).digest('hex');

const upload = async (content: Buffer, key = acme, headers: Record<string, string> = {}) => {
  const response = await fetch(`${base()}/v1/media`, {
    method: 'POST',
    body: content,
    headers: { authorization: `Bearer ${key}`, ...headers },
  });
  return { status: response.status, headers: response.headers, body: await json(response) };
};

const ask = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  fetch(base() + path, { method, headers });

/** Drafts that lie in the folder. */
const drafts = () => readdir(join(folder(), 'uploads')).catch(() => []);

const rows = async () => {
  const { database } = site.web.services;
  return (await database.selectFrom('media_files').select('id').execute()).map(({ id }) => id);
};

const head = (lines: readonly string[]) =>
  ['POST /v1/media HTTP/1.1', 'Host: a', `Authorization: Bearer ${acme}`, ...lines, '', ''].join('\r\n');

describe('POST /v1/media', () => {
  afterEach(async () => {
    await expect.poll(drafts, { timeout: 3000 }).toEqual([]);
  });

  it('takes bytes of any content type, and says what they are', async () => {
    const content = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), randomBytes(100_000)]);
    const { status, headers, body } = await upload(content, acme, { 'content-type': 'text/html' });
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/v1/media/${sha256(content)}`);
    expect(body).toMatchObject({
      id: sha256(content),
      sha256: sha256(content),
      bytes: content.length,
      type: 'image/png',
      origin: 'upload',
      width: null,
    });
    expect(body.link).toMatch(/^\/media\/acme\/[0-9a-f]{64}\?expires=\d+&signature=[\w-]{43}$/);
  });

  it('is one file when the same bytes come twice, also at the same time', async () => {
    const content = randomBytes(50_000);
    const answers = await Promise.all([upload(content), upload(content), upload(content)]);
    expect((await upload(content)).status).toBe(200);
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect((await rows()).filter((id) => id === sha256(content))).toHaveLength(1);
  });

  it('mends a file whose bytes were lost', async () => {
    const content = randomBytes(1000);
    const { body } = await upload(content);
    const { database } = site.web.services;
    const lost = { object_key: 'acme/00000000-0000-4000-8000-000000000000' };
    await database.updateTable('media_files').set(lost).where('id', '=', body.id).execute();
    expect((await ask(body.link)).status).toBe(404);
    await upload(content);
    expect(Buffer.from(await (await ask(body.link)).arrayBuffer()).equals(content)).toBe(true);
  });

  it('takes exactly the limit', async () => {
    expect((await upload(randomBytes(MAX_BYTES))).status).toBe(201);
  });

  it('refuses a longer body by its declared length, without reading it', async () => {
    const before = await rows();
    const parts = [head([`Content-Length: ${MAX_BYTES + 1}`, 'Expect: 100-continue'])];
    const { answers, interim } = await speak({ port: site.port, parts, expected: 1 });
    expect([answers[0]?.status, JSON.parse(answers[0]?.body ?? '{}').code, interim]).toEqual([
      413,
      'media-too-large',
      0,
    ]);
    expect(await rows()).toEqual(before);
  });

  it('refuses a longer body while it streams', async () => {
    const before = await rows();
    const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(0x10000, 1), Buffer.from('\r\n')]);
    const parts = [head(['Transfer-Encoding: chunked']), ...Array.from({ length: 40 }, () => chunk)];
    const { answers } = await speak({ port: site.port, parts, expected: 1 });
    expect([answers[0]?.status, JSON.parse(answers[0]?.body ?? '{}').code]).toEqual([413, 'media-too-large']);
    expect(await rows()).toEqual(before);
  });

  it.each([
    ['an empty body', ['Content-Length: 0'], [], 422, 'media-damaged'],
    ['no body', [], [], 422, 'media-damaged'],
    ['an empty chunked body', ['Transfer-Encoding: chunked'], ['0\r\n\r\n'], 422, 'media-damaged'],
    [
      'a form',
      ['Content-Type: multipart/form-data; boundary=x', 'Content-Length: 3'],
      ['abc'],
      415,
      'unsupported-media-type',
    ],
    ['a compressed body', ['Content-Encoding: gzip', 'Content-Length: 3'], ['abc'], 415, 'unsupported-encoding'],
    ['a negative length', ['Content-Length: -1'], ['abc'], 400, 'bad-request'],
    ['two lengths', ['Content-Length: 3', 'Content-Length: 4'], ['abc'], 400, 'bad-request'],
    ['a length and chunks', ['Content-Length: 3', 'Transfer-Encoding: chunked'], ['0\r\n\r\n'], 400, 'bad-request'],
    ['broken chunks', ['Transfer-Encoding: chunked'], ['5\r\nhello\r\nxyz\r\n'], 400, 'bad-request'],
  ])('refuses %s and keeps nothing', async (_what, lines, body, status, code) => {
    const before = await rows();
    const { answers } = await speak({ port: site.port, parts: [head(lines), ...body], expected: 1 });
    expect([answers[0]?.status, JSON.parse(answers[0]?.body ?? '{}').code]).toEqual([status, code]);
    expect(await rows()).toEqual(before);
  });

  it.each(['half', 'reset'] as const)(
    'keeps nothing of an upload that is aborted in the middle (%s)',
    async (hangUp) => {
      const before = await rows();
      await speak({
        port: site.port,
        parts: [head(['Content-Length: 500000']), randomBytes(100_000)],
        expected: 0,
        hangUp,
      });
      await expect.poll(drafts, { timeout: 3000 }).toEqual([]);
      expect(await rows()).toEqual(before);
    },
  );

  it('answers the next request of a connection after a refused upload', async () => {
    const parts = [
      `${head(['Content-Encoding: gzip', 'Content-Length: 3'])}abc`,
      `${head(['Content-Length: 5'])}hello`,
    ];
    const { answers } = await speak({ port: site.port, parts, expected: 2 });
    expect(answers.map(({ status }) => status)).toEqual([415, 201]);
  });

  it('takes an upload that drips in, and is busy for nobody else meanwhile', async () => {
    const socket = connect({ port: site.port, host: '127.0.0.1', noDelay: true });
    const answered = new Promise<string>((resolve) => socket.once('data', (data) => resolve(String(data))));
    socket.write(head(['Content-Length: 20']));
    for (let sent = 0; sent < 20; sent++) {
      socket.write('x');
      expect((await ask('/livez')).status).toBe(200);
    }
    expect(await answered).toMatch(/^HTTP\/1.1 201/);
    socket.destroy();
  });

  it('needs a key', async () => {
    expect((await upload(Buffer.from('x'), 'mr_000000000000_nobody')).status).toBe(401);
  });
});

describe('a file of one tenant', () => {
  it('is not there for another, who may have the same bytes', async () => {
    const content = randomBytes(3000);
    const { body } = await upload(content, acme);
    const path = `/v1/media/${body.id}`;
    expect((await ask(path, { authorization: `Bearer ${acme}` })).status).toBe(200);
    const other = await ask(path, { authorization: `Bearer ${globex}` });
    expect([other.status, (await json(other)).code]).toEqual([404, 'media-not-found']);
    expect((await upload(content, globex)).status).toBe(201);
    expect((await ask(path, { authorization: `Bearer ${globex}` })).status).toBe(200);
  });

  it.each(['x', '0'.repeat(64), `${'0'.repeat(63)}G`, '..%2f..%2fetc'])('is not found by the id %s', async (id) => {
    const answer = await ask(`/v1/media/${id}`, { authorization: `Bearer ${acme}` });
    expect([404, 422]).toContain(answer.status);
  });
});

describe('a signed link', () => {
  let content: Buffer;
  let link: string;
  let id: string;

  beforeAll(async () => {
    content = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff, 0xe0]), randomBytes(200_000)]);
    ({ link, id } = (await upload(content)).body);
  });

  it('opens the file without a key, with headers that keep a browser from more than showing it', async () => {
    const answer = await ask(link);
    expect(Buffer.from(await answer.arrayBuffer()).equals(content)).toBe(true);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'accept-ranges': 'bytes',
      'content-disposition': `inline; filename="${id.slice(0, 12)}.jpeg"`,
      'content-length': String(content.length),
      'content-security-policy': "default-src 'none'; sandbox",
      'content-type': 'image/jpeg',
      'cross-origin-resource-policy': 'cross-origin',
      etag: `"${id}"`,
      'x-content-type-options': 'nosniff',
    });
    expect(answer.headers.get('cache-control')).toMatch(/^private, max-age=\d+, immutable$/);
  });

  it('saves what a browser might run', async () => {
    const { body } = await upload(Buffer.from('<html><script>alert(1)</script></html>'));
    const answer = await ask(body.link);
    expect(answer.headers.get('content-type')).toBe('application/octet-stream');
    expect(answer.headers.get('content-disposition')).toMatch(/^attachment; /);
    await answer.arrayBuffer();
  });

  it.each([
    ['bytes=0-9', 206, 0, 9],
    ['bytes=199990-', 206, 199_990, 200_003],
    ['bytes=-5', 206, 199_999, 200_003],
    ['bytes=100-999999999', 206, 100, 200_003],
    ['bytes=0-0,5-6', 200, 0, 200_003],
    ['bytes=9-1', 200, 0, 200_003],
    ['lines=1-2', 200, 0, 200_003],
  ])('answers Range %s with %i', async (range, status, start, end) => {
    const answer = await ask(link, { range });
    expect(answer.status).toBe(status);
    expect(Buffer.from(await answer.arrayBuffer()).equals(content.subarray(start, end + 1))).toBe(true);
    expect(answer.headers.get('content-range')).toBe(status === 206 ? `bytes ${start}-${end}/${content.length}` : null);
  });

  it.each(['bytes=200004-', 'bytes=-0'])('refuses Range %s, where no byte is', async (range) => {
    const answer = await ask(link, { range });
    expect([answer.status, answer.headers.get('content-range')]).toEqual([416, `bytes */${content.length}`]);
  });

  it('answers 304 to who has it, and the whole file to who has part of another', async () => {
    expect((await ask(link, { 'if-none-match': `"x", W/"${id}"` })).status).toBe(304);
    const changed = await ask(link, { range: 'bytes=0-9', 'if-range': '"other"' });
    expect([changed.status, (await changed.arrayBuffer()).byteLength]).toEqual([200, content.length]);
  });

  it('answers HEAD with the length and no body', async () => {
    const answer = await ask(link, {}, 'HEAD');
    expect([answer.status, answer.headers.get('content-length')]).toEqual([200, String(content.length)]);
    expect(await answer.text()).toBe('');
  });

  it('is refused when anything in it was changed', async () => {
    const url = new URL(base() + link);
    const expires = Number(url.searchParams.get('expires'));
    const signature = url.searchParams.get('signature') ?? '';
    const flipped = (signature.startsWith('A') ? 'B' : 'A') + signature.slice(1);
    const forged = [
      link.replace(`expires=${expires}`, `expires=${expires + 1}`),
      link.replace('/media/acme/', '/media/globex/'),
      link.replace(id, 'f'.repeat(64)),
      link.replace(signature, flipped),
    ];
    for (const path of forged) {
      const answer = await ask(path);
      expect([path, answer.status, (await json(answer)).code]).toEqual([path, 403, 'link-refused']);
    }
    for (const query of ['', '?expires=1', `?signature=${signature}`, `?expires=x&signature=${signature}`]) {
      expect((await ask(`/media/acme/${id}${query}`)).status).toBe(422);
    }
  });

  it('leaves no file open when its client goes in the middle', async () => {
    const socket = connect({ port: site.port, host: '127.0.0.1' });
    socket.write(`GET ${link} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await new Promise((resolve) => socket.once('data', resolve));
    socket.destroy();
    const open = async () => {
      const links = await Promise.all(
        (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
      );
      return links.filter((path) => path.startsWith(join(folder(), 'files')));
    };
    await expect.poll(open, { timeout: 3000 }).toEqual([]);
  });
});
