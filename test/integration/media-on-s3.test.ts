/** The way of a picture through the whole service with its files on S3: upload, resize, link; and S3 away. */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { picture } from '../support/pictures.ts';
import { REAL_JOBS } from '../support/producer-side.ts';
import { type S3Server, startS3 } from '../support/s3-server.ts';
import { openWebSite, type WebAnswer, type WebSite } from '../support/web-site.ts';

let s3: S3Server;
let site: WebSite;

beforeAll(async () => {
  s3 = await startS3();
  site = await openWebSite({ jobsDir: REAL_JOBS, environment: s3.environment });
});

afterAll(async () => {
  await site.close();
  await s3.close();
});

const upload = async (content: Buffer): Promise<{ status: number; body: WebAnswer['body'] }> => {
  const response = await fetch(`http://127.0.0.1:${site.port}/v1/media`, { method: 'POST', body: content });
  return { status: response.status, body: await response.json() };
};

const rows = () => site.web.services.database.selectFrom('media_files').select('id').orderBy('id').execute();
const drafts = () => readdir(join(site.world.config.MEDIA_DIR ?? '', 'uploads'));

it('brings a picture to the bucket, its variants too, and gives back all of them by links', async () => {
  const content = await picture({ width: 640, height: 320, format: 'jpeg' });
  const { status, body: file } = await upload(content);
  expect(status).toBe(201);
  const payload = { fileId: file.id, variants: ['thumb'] };
  const { body: job } = await site.ask('POST', '/v1/jobs', { job: 'media.resize-image', payload });
  const { body: done } = await site.ask('GET', `/v1/jobs/${job.id}?wait=15`);
  expect(done).toMatchObject({ state: 'completed', result: { width: 640, height: 320 } });
  for (const { fileId, bytes, format } of done.result.variants) {
    const { body: variant } = await site.ask('GET', `/v1/media/${fileId}`);
    const answer = await fetch(`http://127.0.0.1:${site.port}${variant.link}`);
    expect([answer.headers.get('content-type'), (await answer.arrayBuffer()).byteLength]).toEqual([
      `image/${format}`,
      bytes,
    ]);
  }
  const part = await fetch(`http://127.0.0.1:${site.port}${file.link}`, { headers: { range: 'bytes=100-199' } });
  expect(Buffer.from(await part.arrayBuffer()).equals(content.subarray(100, 200))).toBe(true);
  expect(await drafts()).toEqual([]);
});

it('answers 503 while the bucket is away, and leaves nothing', async () => {
  const content = await picture({ width: 64, height: 32, format: 'png' });
  const { body: file } = await upload(content);
  const before = await rows();
  await s3.close();
  const { status, body } = await upload(await picture({ width: 65, height: 32, format: 'png' }));
  expect([status, body.code]).toEqual([503, 'store-unavailable']);
  expect((await site.ask('GET', file.link)).status).toBe(503);
  expect(await drafts()).toEqual([]);
  expect(await rows()).toEqual(before);
});
