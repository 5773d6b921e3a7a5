/** Files that are uploaded while their disk is full, and while the web process that takes them is killed. */

import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { readdir, stat, utimes } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Services } from '../../src/services.ts';
import { buildOnce, endAll, eventually, freePort, MillraceProcess } from '../support/millrace-process.ts';
import { picture } from '../support/pictures.ts';
import { finishedJob, REAL_JOBS, startProducerSide, stopProducerSide } from '../support/producer-side.ts';
import { createWorld, type World } from '../support/world.ts';
import { mountSmallDisk, type NoDisk, type SmallDisk } from './harness/small-disk.ts';

const DISK_BYTES = 8_000_000;
const PATIENCE_MS = 20_000;
const DAY_MS = 86_400_000;
/** Whoever brings a file's row waits for whoever holds this lock. */
const ROW_LOCK = 4711;

let world: World;
let services: Services;
let port: number;

beforeAll(async () => {
  buildOnce();
  world = await createWorld();
  services = await startProducerSide(world, REAL_JOBS);
});

afterEach(async () => {
  await endAll();
  await services.database.deleteFrom('media_files').execute();
});

afterAll(async () => {
  await stopProducerSide(services);
  await world.close();
});

async function startWeb(folder: string): Promise<MillraceProcess> {
  port = await freePort();
  const environment = { ...world.environment, PORT: String(port), MEDIA_DIR: folder };
  const web = new MillraceProcess('web', { environment, built: true });
  await web.printed('running');
  return web;
}

const idOf = (content: Buffer) => createHash('sha256').update(content).digest('hex');
const ask = (path: string, init: RequestInit = {}) =>
  fetch(`http://127.0.0.1:${port}${path}`, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) });

async function upload(content: Buffer) {
  const response = await ask('/v1/media', { method: 'POST', body: content });
  const body = (await response.json()) as { id?: string; code?: string; detail?: string };
  return { status: response.status, retryAfter: response.headers.get('retry-after'), ...body };
}

/** The bytes that a file's link opens; undefined when there is no such file. */
async function served(id: string): Promise<Buffer | undefined> {
  const facts = await ask(`/v1/media/${id}`);
  if (facts.status === 404) return undefined;
  const { link } = (await facts.json()) as { link: string };
  return Buffer.from(await (await ask(link)).arrayBuffer());
}

/** Every file below a folder, the largest first. */
async function filesIn(folder: string) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const files = await Promise.all(paths.map(async (path) => ({ path, bytes: (await stat(path)).size })));
  return files.toSorted((a, b) => b.bytes - a.bytes);
}

const sizesIn = async (folder: string) => (await filesIn(folder)).map(({ bytes }) => bytes);

async function rows(): Promise<string[]> {
  return (await services.database.selectFrom('media_files').select('id').execute()).map(({ id }) => id);
}

describe('an upload to a full disk', () => {
  let parent: string;
  let disk: SmallDisk | NoDisk;

  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'millrace-uploads-'));
    disk = mountSmallDisk('memory', join(parent, 'disk'), DISK_BYTES);
  });

  afterEach(async () => {
    await endAll();
    if (!('reason' in disk)) disk.remove();
    rmSync(parent, { recursive: true });
  });

  /** The disk, mounted; undefined where it is not to be had, which is said. */
  function mounted(): SmallDisk | undefined {
    if (!('reason' in disk)) return disk;
    expect(disk.reason).toMatch(/only root may mount|does not let root mount|mounting is known for linux/);
    console.error(`An upload to a full disk: not done here, for ${disk.reason}`);
    return undefined;
  }

  const refused = { status: 503, code: 'store-unavailable', detail: 'The folder of media files has no room left.' };

  test('is refused with 503 and leaves nothing; files that were there stay whole; there is room, and it is taken', async () => {
    const small = mounted();
    if (small === undefined) return;
    await startWeb(small.folder);
    const [before, large] = [randomBytes(1_000_000), randomBytes(3_000_000)];
    expect(await upload(before)).toMatchObject({ status: 201 });

    small.fill(500_000);
    for (const content of [large, large, large]) {
      const answer = await upload(content);
      expect(answer).toMatchObject(refused);
      expect(Number(answer.retryAfter)).toBeGreaterThan(0);
      expect(await sizesIn(join(small.folder, 'uploads'))).toEqual([]);
    }
    expect(await sizesIn(join(small.folder, 'files'))).toEqual([before.length]);
    expect(await rows()).toEqual([idOf(before)]);
    expect(await served(idOf(large))).toBeUndefined();
    expect((await served(idOf(before)))?.equals(before)).toBe(true);
    expect((await ask('/readyz')).status).toBe(200);

    small.free();
    expect(await upload(large)).toMatchObject({ status: 201, id: idOf(large) });
    expect((await served(idOf(large)))?.equals(large)).toBe(true);
  });

  test('beside others, which all want the last room: what is answered 201 is whole, and the rest leaves nothing', async () => {
    const small = mounted();
    if (small === undefined) return;
    await startWeb(small.folder);
    expect(await upload(randomBytes(1000))).toMatchObject({ status: 201 });
    small.fill(1_000_000);
    const contents = Array.from({ length: 12 }, () => randomBytes(200_000));
    const answers = await Promise.all(contents.map(upload));
    const taken = contents.filter((_content, place) => answers[place]?.status === 201);
    for (const answer of answers) if (answer.status !== 201) expect(answer).toMatchObject(refused);
    expect(taken.length).toBeLessThanOrEqual(5);
    expect(answers.length - taken.length).toBeGreaterThan(0);

    expect(await sizesIn(join(small.folder, 'uploads'))).toEqual([]);
    expect(await sizesIn(join(small.folder, 'files'))).toEqual([...taken.map(({ length }) => length), 1000]);
    expect(await rows()).toHaveLength(taken.length + 1);
    for (const content of taken) expect((await served(idOf(content)))?.equals(content)).toBe(true);

    small.free();
    const again = await Promise.all(contents.map(upload));
    expect(again.map(({ status }) => status)).toEqual(answers.map(({ status }) => (status === 201 ? 200 : 201)));
    for (const content of contents) expect((await served(idOf(content)))?.equals(content)).toBe(true);
  });

  test('a job that makes pictures there waits, spends no attempt, and makes them once there is room', async () => {
    const small = mounted();
    if (small === undefined) return;
    const web = await startWeb(small.folder);
    const { id: fileId } = await upload(await picture({ width: 800, height: 600, format: 'jpeg' }));
    small.fill(0);
    const environment = { ...world.environment, MEDIA_DIR: small.folder };
    const worker = new MillraceProcess('worker', { environment, args: ['media'], built: true });
    const { id } = await services.producer.enqueue({
      tenant: 'default',
      job: 'media.resize-image',
      payload: { fileId, variants: ['thumb'] },
      attempts: 1,
    });
    const look = () => services.inspector.job('default', id);
    const waiting = await eventually(look, ({ state }) => !['waiting', 'active'].includes(state), PATIENCE_MS);
    expect(waiting).toMatchObject({ state: 'delayed', attempts: { made: 0 }, error: null });
    expect(await sizesIn(join(small.folder, 'uploads'))).toEqual([]);
    expect(await rows()).toEqual([fileId]);
    small.free();
    const done = await finishedJob(services, id, 2 * PATIENCE_MS);
    expect(done).toMatchObject({ state: 'completed', attempts: { made: 1 } });
    for (const made of await rows()) expect(await served(made)).toBeDefined();
    await Promise.all([web.end(), worker.end()]);
  });

  test('that was full from the start leaves nothing either, and neither does a link that is asked for', async () => {
    const small = mounted();
    if (small === undefined) return;
    small.fill(0);
    await startWeb(small.folder);
    const content = randomBytes(1000);
    expect(await upload(content)).toMatchObject(refused);
    const link = await ask(`/media/default/${idOf(content)}?expires=1&signature=${'x'.repeat(43)}`);
    expect([link.status, await link.json()]).toMatchObject([503, { code: 'store-unavailable' }]);
    const names = (await filesIn(small.folder)).map(({ path }) => path);
    expect(names).toEqual([join(small.folder, 'balloon')]);
    small.free();
    expect(await upload(content)).toMatchObject({ status: 201 });
    expect((await served(idOf(content)))?.equals(content)).toBe(true);
  });
});

describe('a web process that is killed', () => {
  let folder: string;
  let content: Buffer;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-uploads-'));
    content = randomBytes(3_000_000);
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  /** Begin an upload: all that is declared, and the first part of the bytes. */
  function begin(bytes: number) {
    const socket = connect({ port, host: '127.0.0.1' });
    // The other end is killed.
    socket.on('error', () => {});
    const head = ['POST /v1/media HTTP/1.1', 'Host: a', `Content-Length: ${content.length}`, '', ''];
    socket.write(head.join('\r\n'));
    socket.write(content.subarray(0, bytes));
  }

  /** What a kill has left is kept for a day, as it may be an upload of another process; then the cleanup job takes it. */
  async function cleanUp() {
    const environment = { ...world.environment, MEDIA_DIR: folder };
    const worker = new MillraceProcess('worker', { environment, args: ['cleanup'], built: true });
    const sweep = async () => {
      const job = 'cleanup.remove-orphaned-media';
      const { id } = await services.producer.enqueue({ tenant: 'default', job, payload: {} });
      return (await finishedJob(services, id, PATIENCE_MS)).result;
    };
    const left = await leftBehind();
    expect(left).toHaveLength(1);
    expect(await sweep()).toMatchObject({ removed: 0 });
    for (const { path } of left) await utimes(path, new Date(), new Date(Date.now() - DAY_MS - 60_000));
    expect(await sweep()).toMatchObject({ removed: 1, bytes: left[0]?.bytes });
    expect(await leftBehind()).toEqual([]);
    await worker.end();
  }

  /** Drafts, and bytes that no row points to. */
  async function leftBehind() {
    const found = await services.database.selectFrom('media_files').select('object_key').execute();
    const names = found.map(({ object_key }) => object_key.split('/')[1] ?? '');
    const files = [...(await filesIn(join(folder, 'uploads'))), ...(await filesIn(join(folder, 'files')))];
    return files.filter(({ path }) => !names.some((name) => path.endsWith(name)));
  }

  test.each([
    ['with half of the bytes', 1_500_000],
    ['with all bytes but the last', 2_999_999],
  ])('%s: no half file is ever served, it is uploaded again, and what was left is removed', async (_when, bytes) => {
    const web = await startWeb(folder);
    begin(bytes);
    await eventually(
      () => sizesIn(join(folder, 'uploads')),
      ([largest = 0]) => largest === bytes,
      PATIENCE_MS,
    );
    await web.end('SIGKILL');
    expect(await sizesIn(join(folder, 'files'))).toEqual([]);
    expect(await rows()).toEqual([]);

    await startWeb(folder);
    for (const part of [content, content.subarray(0, bytes)]) expect(await served(idOf(part))).toBeUndefined();
    expect(await upload(content)).toMatchObject({ status: 201, id: idOf(content) });
    await cleanUp();
    expect((await served(idOf(content)))?.equals(content)).toBe(true);
  });

  test('between the bytes and their row: nothing is served, it is uploaded again, and what was left is removed', async () => {
    const { database } = services;
    await sql`CREATE FUNCTION wait_for_row() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN PERFORM pg_advisory_xact_lock(${sql.lit(ROW_LOCK)}); RETURN NEW; END'`.execute(database);
    await sql`CREATE TRIGGER held BEFORE INSERT ON media_files FOR EACH ROW EXECUTE FUNCTION wait_for_row()`.execute(
      database,
    );
    const web = await startWeb(folder);
    await database.transaction().execute(async (held) => {
      await sql`SELECT pg_advisory_xact_lock(${ROW_LOCK})`.execute(held);
      begin(content.length);
      const waiting = sql<{ pid: number }>`SELECT pid FROM pg_locks
        WHERE locktype = 'advisory' AND objid = ${ROW_LOCK} AND NOT granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
      const { rows: backends } = await eventually(
        () => waiting.execute(held),
        ({ rows: found }) => found.length === 1,
        PATIENCE_MS,
      );
      await web.end('SIGKILL');
      // Else the server would go on with what the dead process has asked for.
      for (const { pid } of backends) await sql`SELECT pg_terminate_backend(${pid})`.execute(held);
    });
    await sql`DROP FUNCTION wait_for_row CASCADE`.execute(database);
    expect(await sizesIn(join(folder, 'files'))).toEqual([content.length]);
    expect(await rows()).toEqual([]);

    await startWeb(folder);
    expect(await served(idOf(content))).toBeUndefined();
    expect(await upload(content)).toMatchObject({ status: 201, id: idOf(content) });
    await cleanUp();
    expect((await served(idOf(content)))?.equals(content)).toBe(true);
  });
});
