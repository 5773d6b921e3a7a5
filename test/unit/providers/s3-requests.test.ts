/** What goes to an S3 store, byte by byte: the server of the storage suite does not check signatures, this does. */

import { createHash, createHmac, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { S3Storage } from '../../../src/providers/s3-storage.ts';

const ACCESS_KEY = 'AKIDEXAMPLE';
const SECRET_KEY = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const REGION = 'eu-north-1';

interface Heard {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

async function listening() {
  const heard: Heard[] = [];
  const server = createServer(async (request, response) => {
    const { method = '', url = '', headers } = request;
    heard.push({ method, url, headers, body: await buffer(request) });
    if (headers.range !== undefined) response.writeHead(206);
    response.end(url.includes('?') ? '<ListBucketResult></ListBucketResult>' : 'xx');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const folder = await mkdtemp(join(tmpdir(), 'millrace-s3-requests-'));
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });
  const endpoint = `http://127.0.0.1:${port}/`;
  const keys = { accessKey: ACCESS_KEY, secretKey: SECRET_KEY };
  return { heard, storage: new S3Storage({ endpoint, bucket: 'a-bucket', region: REGION, ...keys, folder }) };
}

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** Signature version 4 of a request as its receiver computes it, from what Amazon's documentation says. */
function signatureOf({ method, url, headers }: Heard): string {
  const [path = '', query = ''] = url.split('?');
  const signed = /SignedHeaders=([^,]+)/.exec(headers.authorization ?? '')?.[1] ?? '';
  const lines = signed.split(';').map((name) => `${name}:${String(headers[name]).trim()}\n`);
  const canonical = [
    method,
    path,
    query.split('&').sort().join('&'),
    lines.join(''),
    signed,
    headers['x-amz-content-sha256'],
  ];
  const time = String(headers['x-amz-date']);
  const scope = `${time.slice(0, 8)}/${REGION}/s3/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical.join('\n'))].join('\n');
  const key = scope.split('/').reduce<string | Buffer>((last, part) => hmac(last, part), `AWS4${SECRET_KEY}`);
  return hmac(key, text).toString('hex');
}

it('signs every request as version 4 says, with the length of what it sends', async () => {
  const { heard, storage } = await listening();
  const key = `acme/${randomUUID()}`;
  const content = Buffer.alloc(200_000, 7);
  const draft = await storage.receive([content] as unknown as AsyncIterable<Uint8Array>);
  await draft.keep(key);
  await draft.discard();
  (await storage.open(key))?.destroy();
  (await storage.open(key, { start: 1, end: 2 }))?.destroy();
  await storage.bytesOf(key);
  await storage.remove([key]);
  for await (const _page of storage.pages(new AbortController().signal)) expect.unreachable();

  const path = `/a-bucket/${key}`;
  expect(heard.map(({ method, url }) => `${method} ${url}`)).toEqual([
    `PUT ${path}`,
    `GET ${path}`,
    `GET ${path}`,
    `HEAD ${path}`,
    `DELETE ${path}`,
    'GET /a-bucket?marker=&max-keys=500',
  ]);
  expect(heard[0]?.headers).toMatchObject({ 'content-length': '200000', 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' });
  expect(heard[0]?.headers['transfer-encoding']).toBeUndefined();
  expect(heard[0]?.body.equals(content)).toBe(true);
  expect(heard[2]?.headers.range).toBe('bytes=1-2');
  for (const request of heard) {
    expect(request.headers.authorization).toContain(`Credential=${ACCESS_KEY}/`);
    expect(request.headers.authorization).toMatch(new RegExp(`Signature=${signatureOf(request)}$`));
  }
});
