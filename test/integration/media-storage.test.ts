/** One suite for every storage: a folder, and a server that speaks S3. */

import { randomBytes, randomUUID } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FolderStorage } from '../../src/providers/folder-storage.ts';
import { S3Storage } from '../../src/providers/s3-storage.ts';
import type { Storage, StoredObject } from '../../src/providers/storage.ts';
import { type S3Server, startS3 } from '../support/s3-server.ts';

let folder: string;
let s3: S3Server;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-storage-'));
  s3 = await startS3();
});

afterAll(async () => {
  await s3.close();
  await rm(folder, { recursive: true });
});

const onS3 = (at: string, overrides: { endpoint?: string; accessKey?: string } = {}) =>
  new S3Storage({
    endpoint: s3.environment.S3_ENDPOINT,
    bucket: s3.environment.S3_BUCKET,
    region: s3.environment.S3_REGION,
    accessKey: s3.environment.S3_ACCESS_KEY,
    secretKey: s3.environment.S3_SECRET_KEY,
    folder: at,
    ...overrides,
  });

const newKey = (tenant = 'acme') => `${tenant}/${randomUUID()}`;
const forever = new AbortController().signal;

async function* piecesOf(content: Buffer, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

const store = async (storage: Storage, key: string, content: Buffer) => {
  const draft = await storage.receive(piecesOf(content));
  await draft.keep(key);
  await draft.discard();
};

const allOf = async (storage: Storage): Promise<StoredObject[]> => {
  const found: StoredObject[] = [];
  for await (const page of storage.pages(forever)) {
    expect(page.length).toBeLessThanOrEqual(500);
    found.push(...page);
  }
  return found;
};

describe.each([
  { name: 'a folder', make: (at: string): Storage => new FolderStorage({ folder: at }) },
  { name: 'S3', make: (at: string): Storage => onS3(at) },
])('storage in $name', ({ make }) => {
  let at: string;
  let storage: Storage;

  beforeEach(async () => {
    at = join(folder, randomUUID());
    storage = make(at);
    for (const { key } of await allOf(storage)) await storage.remove([key]);
  });

  it.each([1, 65_536, 3_000_000])('gives back the %i bytes that it was given', async (length) => {
    const content = randomBytes(length);
    const key = newKey();
    await store(storage, key, content);
    expect(await storage.bytesOf(key)).toBe(length);
    const stream = await storage.open(key);
    expect(stream && (await buffer(stream)).equals(content)).toBe(true);
  });

  it.each([
    { start: 0, end: 1 },
    { start: 10, end: 19 },
    { start: 99_990, end: 99_999 },
  ])('gives back bytes $start to $end alone', async (range) => {
    const content = randomBytes(100_000);
    const key = newKey();
    await store(storage, key, content);
    const stream = await storage.open(key, range);
    expect(stream && (await buffer(stream)).equals(content.subarray(range.start, range.end + 1))).toBe(true);
  });

  it('has nothing under a key that was never written or was removed', async () => {
    const key = newKey();
    expect([await storage.open(key), await storage.bytesOf(key)]).toEqual([undefined, undefined]);
    await store(storage, key, Buffer.from('x'));
    await storage.remove([key, newKey()]);
    expect([await storage.open(key), await storage.bytesOf(key)]).toEqual([undefined, undefined]);
  });

  it('lists every object with its size and time', async () => {
    const keys = [newKey(), newKey('globex'), newKey()];
    for (const [place, key] of keys.entries()) await store(storage, key, Buffer.alloc(place + 1));
    const found = await allOf(storage);
    expect(found.map(({ key, bytes }) => [key, bytes]).sort()).toEqual(
      keys.map((key, place) => [key, place + 1]).sort(),
    );
    expect(found.every(({ storedAt }) => Math.abs(Date.now() - storedAt.getTime()) < 60_000)).toBe(true);
  });

  it('leaves nothing of a source that fails, and says what it failed with', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield randomBytes(100_000);
      throw new Error('the client has gone');
    }
    await expect(storage.receive(failing())).rejects.toThrow('the client has gone');
    expect([await allOf(storage), await readdir(join(at, 'uploads'))]).toEqual([[], []]);
  });

  it('leaves nothing of a draft that is discarded', async () => {
    const draft = await storage.receive(piecesOf(randomBytes(1000)));
    await draft.discard();
    expect([await allOf(storage), await readdir(join(at, 'uploads'))]).toEqual([[], []]);
  });

  it('leaves no draft of an object that was kept', async () => {
    await store(storage, newKey(), randomBytes(1000));
    expect(await readdir(join(at, 'uploads'))).toEqual([]);
  });

  it('removes drafts by their age, and only counts them in a dry run', async () => {
    await storage.receive(piecesOf(randomBytes(1000)));
    await storage.receive(piecesOf(randomBytes(10)));
    const [first = ''] = await readdir(join(at, 'uploads'));
    const size = (await stat(join(at, 'uploads', first))).size;
    await utimes(join(at, 'uploads', first), new Date(0), new Date(0));
    const before = new Date(Date.now() - 86_400_000);
    expect(await storage.removeDrafts({ before, dryRun: true, signal: forever })).toEqual({ removed: 1, bytes: size });
    expect(await readdir(join(at, 'uploads'))).toHaveLength(2);
    expect(await storage.removeDrafts({ before, dryRun: false, signal: forever })).toEqual({ removed: 1, bytes: size });
    expect(await readdir(join(at, 'uploads'))).toHaveLength(1);
  });

  it.each(['../../etc/passwd', 'acme/../../x', '/etc/passwd', 'ACME/1', '', 'acme/'])(
    'refuses the key %j, which it never made',
    async (key) => {
      await expect(storage.bytesOf(key)).rejects.toThrow('is no key');
      await expect(storage.open(key)).rejects.toThrow('is no key');
      await expect(storage.remove([key])).rejects.toThrow('is no key');
    },
  );

  it('says store-unavailable when drafts cannot be written', async () => {
    await writeFile(at, 'a file where a folder should be');
    const blocked = make(at);
    await expect(blocked.receive(piecesOf(randomBytes(10)))).rejects.toMatchObject({ code: 'store-unavailable' });
  });
});

describe('storage in a folder', () => {
  it('shows its files to nobody else', async () => {
    const at = join(folder, randomUUID());
    const key = newKey();
    await store(new FolderStorage({ folder: at }), key, randomBytes(10));
    const [tenant = '', name = ''] = key.split('/');
    const path = ['files', tenant, name.slice(0, 2), name];
    const modes = await Promise.all(
      path.map(async (_part, place) => (await stat(join(at, ...path.slice(0, place + 1)))).mode & 0o777),
    );
    expect(modes).toEqual([0o700, 0o700, 0o700, 0o600]);
  });

  it('reads and lists on where a file of somebody else lies between its own', async () => {
    const at = join(folder, randomUUID());
    const storage = new FolderStorage({ folder: at });
    const key = newKey();
    await store(storage, key, randomBytes(10));
    await chmod(join(at, 'files'), 0o700);
    const stray = join(at, 'files', 'acme', key.slice(5, 7), 'notes.txt');
    await writeFile(stray, 'mine');
    expect((await allOf(storage)).map((object) => object.key)).toEqual([key]);
  });
});

describe('storage on S3', () => {
  it('pages through more objects than one answer holds', async () => {
    const at = join(folder, randomUUID());
    const storage = onS3(at);
    for (const { key } of await allOf(storage)) await storage.remove([key]);
    const keys = Array.from({ length: 510 }, () => newKey());
    for (const key of keys) await store(storage, key, Buffer.from('x'));
    expect((await allOf(storage)).map(({ key }) => key).sort()).toEqual(keys.sort());
  });

  it('says store-unavailable when the server is away, refuses the key, or never answers', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const address = silent.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const at = join(folder, randomUUID());
    const gone = onS3(at, { endpoint: 'http://127.0.0.1:9' });
    const wrong = onS3(at, { accessKey: 'unknown' });
    await expect(gone.bytesOf(newKey())).rejects.toMatchObject({ code: 'store-unavailable' });
    await expect(wrong.bytesOf(newKey())).rejects.toMatchObject({ code: 'store-unavailable' });
    const mute = onS3(at, { endpoint: `http://127.0.0.1:${port}` });
    await expect(mute.open(newKey(), undefined, AbortSignal.timeout(300))).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    const draft = await gone.receive(piecesOf(randomBytes(10)));
    await expect(draft.keep(newKey())).rejects.toMatchObject({ code: 'store-unavailable' });
    await draft.discard();
    expect(await readdir(join(at, 'uploads'))).toEqual([]);
    silent.closeAllConnections();
    silent.close();
  });
});
