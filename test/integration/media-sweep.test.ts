/** cleanup.remove-orphaned-media, what the files count for analytics, and what a failing store leaves. */

import { randomBytes, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import removeOrphanedMedia from '../../jobs/cleanup/remove-orphaned-media.ts';
import { connectDatabase, type Database } from '../../src/database/connection.ts';
import { MediaFiles } from '../../src/media/files.ts';
import { FolderStorage } from '../../src/providers/folder-storage.ts';
import type { Storage } from '../../src/providers/storage.ts';
import type { Removal } from '../../src/removal.ts';
import { type Probe, startProbe } from '../support/probe-worker.ts';
import { createWorld, type World } from '../support/world.ts';

const KEEP_DAYS = 30;
const signal = new AbortController().signal;

let world: World;
let database: Database;
let storage: Storage;
let files: MediaFiles;

beforeAll(async () => {
  world = await createWorld();
  const { DATABASE_URL: url, DATABASE_SCHEMA: schema } = world.config;
  database = connectDatabase({ url, schema, poolSize: 4, name: 'test' });
  storage = new FolderStorage({ folder: world.config.MEDIA_DIR ?? '' });
  files = new MediaFiles({ database, storage, maxBytes: 1_000_000, keepDays: KEEP_DAYS });
});

afterAll(async () => {
  await database.destroy();
  await world.close();
});

beforeEach(async () => {
  await database.deleteFrom('media_files').execute();
  for await (const page of storage.pages(signal)) await storage.remove(page.map(({ key }) => key));
});

const add = async (tenant: string, bytes: number) =>
  (await files.add(tenant, [randomBytes(bytes)], { origin: 'upload' })).file;

const unusedFor = (id: string, days: number) =>
  database
    .updateTable('media_files')
    .set({ last_used_at: new Date(Date.now() - days * 86_400_000) })
    .where('id', '=', id)
    .execute();

const objects = async () => {
  const keys: string[] = [];
  for await (const page of storage.pages(signal)) keys.push(...page.map(({ key }) => key));
  return keys;
};

describe('the sweep of media files', () => {
  it('removes what nobody has used for long, with its bytes, and nothing else', async () => {
    const [old, young] = [await add('acme', 100), await add('acme', 200)];
    await unusedFor(old.id, KEEP_DAYS + 1);
    await unusedFor(young.id, KEEP_DAYS - 1);
    expect(await files.removeExpired({ dryRun: true, signal })).toEqual({ removed: 1, bytes: 100 });
    expect(await objects()).toHaveLength(2);
    expect(await files.removeExpired({ dryRun: false, signal })).toEqual({ removed: 1, bytes: 100 });
    await expect(files.find('acme', old.id)).rejects.toMatchObject({ code: 'media-not-found' });
    expect(await files.read('acme', young.id)).toMatchObject({ bytes: 200 });
    expect(await objects()).toHaveLength(1);
  });

  it('leaves alone what was read, uploaded again or found since', async () => {
    const content = randomBytes(50);
    const [again, read, found] = [
      (await files.add('acme', [content], { origin: 'upload' })).file,
      await add('acme', 60),
      await add('acme', 70),
    ];
    for (const { id } of [again, read, found]) await unusedFor(id, KEEP_DAYS + 1);
    await files.add('acme', [content], { origin: 'upload' });
    await files.read('acme', read.id);
    await files.find('acme', found.id);
    expect(await files.removeExpired({ dryRun: false, signal })).toEqual({ removed: 0, bytes: 0 });
  });

  it('works through more than one batch', async () => {
    const rows = Array.from({ length: 1100 }, () => ({
      tenant: 'acme',
      id: randomBytes(32).toString('hex'),
      object_key: `acme/${randomUUID()}`,
      bytes: 10,
      type: 'image/png',
      origin: 'made' as const,
      last_used_at: new Date(0),
    }));
    await database.insertInto('media_files').values(rows).execute();
    expect(await files.removeExpired({ dryRun: true, signal })).toEqual({ removed: 1100, bytes: 11_000 });
    const told: number[] = [];
    const run = { dryRun: false, signal, told: async ({ removed }: Removal) => void told.push(removed) };
    expect(await files.removeExpired(run)).toEqual({ removed: 1100, bytes: 11_000 });
    expect(told).toEqual([500, 1000, 1100]);
  });

  it('keeps for ever when it is told to', async () => {
    const ever = new MediaFiles({ database, storage, maxBytes: 1000, keepDays: 0 });
    const { id } = await add('acme', 10);
    await unusedFor(id, 10_000);
    expect(await ever.removeExpired({ dryRun: false, signal })).toEqual({ removed: 0, bytes: 0 });
  });

  it('removes bytes without a row once they are a day old', async () => {
    const { id } = await add('acme', 10);
    await add('acme', 20);
    await database.deleteFrom('media_files').where('id', '=', id).execute();
    expect(await files.removeExpired({ dryRun: false, signal })).toEqual({ removed: 0, bytes: 0 });
    const dayLater = new MediaFiles({ database, storage: olderBy(storage, 90_000_000), maxBytes: 1000, keepDays: 0 });
    expect(await dayLater.removeExpired({ dryRun: true, signal })).toEqual({ removed: 1, bytes: 10 });
    expect(await dayLater.removeExpired({ dryRun: false, signal })).toEqual({ removed: 1, bytes: 10 });
    expect(await objects()).toHaveLength(1);
  });

  it('stops between two batches when its job is over', async () => {
    const over = AbortSignal.abort(new Error('the attempt is over'));
    const { id } = await add('acme', 10);
    await unusedFor(id, KEEP_DAYS + 1);
    await expect(files.removeExpired({ dryRun: false, signal: over })).rejects.toThrow('the attempt is over');
    expect(await files.read('acme', id)).toMatchObject({ bytes: 10 });
  });

  it('keeps what it has done when it has to end', async () => {
    const ending = new AbortController();
    const ids = [await add('acme', 10), await add('globex', 20)].map(({ id }) => id);
    for (const id of ids) await unusedFor(id, KEEP_DAYS + 1);
    const told = async () => ending.abort(new Error('enough'));
    await expect(files.removeExpired({ dryRun: false, signal: ending.signal, told })).rejects.toThrow('enough');
    expect(await objects()).toEqual([]);
    expect(await database.selectFrom('media_files').select('id').execute()).toEqual([]);
  });

  it('runs as a job, and only counts in a dry run', async () => {
    const probe: Probe = await startProbe(world, [removeOrphanedMedia]);
    try {
      const { id } = await add('acme', 30);
      await unusedFor(id, KEEP_DAYS + 1);
      const job = 'cleanup.remove-orphaned-media';
      const ask = async (payload: object) => {
        const enqueued = await probe.services.producer.enqueue({ tenant: 'default', job, payload });
        return (await probe.until(enqueued.id)).result;
      };
      expect(await ask({ dryRun: true })).toEqual({ removed: 1, bytes: 30, dryRun: true });
      expect(await ask({})).toEqual({ removed: 1, bytes: 30, dryRun: false });
      expect(await ask({})).toEqual({ removed: 0, bytes: 0, dryRun: false });
    } finally {
      await probe.stop();
    }
  });
});

describe('what the files count', () => {
  it('is files and bytes by tenant, in the time asked for', async () => {
    await add('acme', 100);
    await add('acme', 50);
    const { id } = await add('globex', 7);
    const yesterday = new Date(Date.now() - 86_400_000);
    await database
      .updateTable('media_files')
      .set({ created_at: sql`${yesterday}` })
      .where('id', '=', id)
      .execute();
    const hourAgo = new Date(Date.now() - 3_600_000);
    expect(await files.countsBetween(hourAgo, new Date(Date.now() + 1000))).toEqual([
      { tenant: 'acme', kind: 'media.files', amount: 2 },
      { tenant: 'acme', kind: 'media.bytes', amount: 150 },
    ]);
    expect(await files.countsBetween(new Date(0), hourAgo)).toEqual([
      { tenant: 'globex', kind: 'media.files', amount: 1 },
      { tenant: 'globex', kind: 'media.bytes', amount: 7 },
    ]);
  });
});

describe('a store that fails', () => {
  it('leaves no row when the bytes could not be kept, and no bytes when the row could not', async () => {
    const full: Storage = {
      ...bound(storage),
      receive: async (source) => {
        const draft = await storage.receive(source);
        return { ...draft, keep: () => Promise.reject(new Error('no room')) };
      },
    };
    const failing = new MediaFiles({ database, storage: full, maxBytes: 1000, keepDays: 30 });
    await expect(failing.add('acme', [randomBytes(9)], { origin: 'upload' })).rejects.toThrow('no room');
    expect(await database.selectFrom('media_files').selectAll().execute()).toEqual([]);

    const away = connectDatabase({ url: 'postgres://a@127.0.0.1:9/a', schema: 'a', poolSize: 1, name: 'test' });
    const rowless = new MediaFiles({ database: away, storage, maxBytes: 1000, keepDays: 30 });
    await expect(rowless.add('acme', [randomBytes(9)], { origin: 'upload' })).rejects.toMatchObject({
      code: 'store-unavailable',
    });
    await away.destroy();
    expect(await objects()).toEqual([]);
  });
});

/** The same storage, whose objects look older. */
function olderBy(inner: Storage, ms: number): Storage {
  return {
    ...bound(inner),
    pages: async function* (given) {
      for await (const page of inner.pages(given)) {
        yield page.map((object) => ({ ...object, storedAt: new Date(object.storedAt.getTime() - ms) }));
      }
    },
  };
}

function bound(inner: Storage): Storage {
  return {
    receive: (...given) => inner.receive(...given),
    open: (...given) => inner.open(...given),
    bytesOf: (...given) => inner.bytesOf(...given),
    remove: (...given) => inner.remove(...given),
    pages: (...given) => inner.pages(...given),
    removeDrafts: (...given) => inner.removeDrafts(...given),
  };
}
