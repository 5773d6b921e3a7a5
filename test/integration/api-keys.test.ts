/** API keys on a real PostgreSQL, and without one. */

import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiKeys } from '../../src/access/api-keys.ts';
import { connectDatabase, type Database } from '../../src/database/connection.ts';
import { startPrivatePostgres } from '../support/stores.ts';
import { createWorld, type World } from '../support/world.ts';

const MINUTE_MS = 60_000;

let world: World;
let database: Database;
beforeAll(async () => {
  world = await createWorld();
  database = connect(world);
});
afterAll(async () => {
  await database?.destroy();
  await world?.close();
});

function connect({ config }: World): Database {
  return connectDatabase({ url: config.DATABASE_URL, schema: config.DATABASE_SCHEMA, poolSize: 4, name: 'api-keys' });
}

/** A clock that stands still until it is moved. */
function clock() {
  let nowMs = 1_800_000_000_000;
  return { now: () => nowMs, pass: (ms: number) => (nowMs += ms) };
}

describe('an API key', () => {
  it('names its tenant and says whether its holder is an operator', async () => {
    const keys = new ApiKeys({ database });
    const acme = await keys.create({ tenant: 'acme', label: 'billing' });
    const root = await keys.create({ tenant: 'ops', label: 'root', operator: true });
    expect(acme.key).toMatch(new RegExp(`^mr_${acme.id}_[A-Za-z0-9_-]{43}$`));
    expect(await keys.verify(acme.key)).toEqual({ id: acme.id, tenant: 'acme', operator: false });
    expect(await keys.verify(root.key)).toEqual({ id: root.id, tenant: 'ops', operator: true });
  });

  it('is stored only as a hash', async () => {
    const { id, key } = await new ApiKeys({ database }).create({ tenant: 'acme', label: 'hashed' });
    const row = await database.selectFrom('api_keys').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    expect(row.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(JSON.stringify(row)).not.toContain(key.slice(-43));
  });

  it('is unknown when a character differs, when it was never issued, and when it is no key at all', async () => {
    const keys = new ApiKeys({ database });
    const { key } = await keys.create({ tenant: 'acme', label: 'near' });
    const last = key.endsWith('A') ? 'B' : 'A';
    const others = [
      key.slice(0, -1) + last,
      key.replace(/^mr_.{12}/, 'mr_000000000000'),
      `${key}A`,
      '',
      'mr_',
      "mr_' OR 1=1",
    ];
    for (const other of others) expect(await keys.verify(other), other).toBeNull();
  });

  it.each([
    ['a tenant with capitals', { tenant: 'Acme', label: 'x' }, '/tenant'],
    ['an empty tenant', { tenant: '', label: 'x' }, '/tenant'],
    ['a tenant of 65 characters', { tenant: 'a'.repeat(65), label: 'x' }, '/tenant'],
    ['a tenant with a colon', { tenant: 'a:b', label: 'x' }, '/tenant'],
    ['an empty label', { tenant: 'a', label: '' }, '/label'],
    ['a label with NUL', { tenant: 'a', label: 'x\0' }, '/label'],
    ['a label of 101 characters', { tenant: 'a', label: 'x'.repeat(101) }, '/label'],
  ])('is not made for %s', async (_what, request, pointer) => {
    const made = new ApiKeys({ database }).create(request);
    await expect(made).rejects.toMatchObject({ code: 'invalid-input', problems: [{ pointer }] });
  });

  it('is listed with its label and its end, and its tenant is among the tenants', async () => {
    const keys = new ApiKeys({ database });
    const { id } = await keys.create({ tenant: 'listed', label: 'a label' });
    await keys.revoke(id);
    const found = (await keys.list()).find((record) => record.id === id);
    expect(found).toMatchObject({ tenant: 'listed', label: 'a label', operator: false });
    expect(found?.createdAt).toBeInstanceOf(Date);
    expect(found?.revokedAt).toBeInstanceOf(Date);
    expect(found).not.toHaveProperty('hash');
    expect(await keys.tenants()).toEqual(expect.arrayContaining(['default', 'listed']));
  });
});

describe('a revoked key', () => {
  it('is refused at once by the process that revoked it', async () => {
    const keys = new ApiKeys({ database });
    const { id, key } = await keys.create({ tenant: 'acme', label: 'gone' });
    expect(await keys.verify(key)).not.toBeNull();
    expect(await keys.revoke(id)).toBe(true);
    expect(await keys.verify(key)).toBeNull();
    expect(await keys.revoke(id)).toBe(false);
    expect(await keys.revoke('000000000000')).toBe(false);
  });

  it('is refused within 60 s by every other process', async () => {
    const time = clock();
    const other = new ApiKeys({ database, clock: time.now });
    const keys = new ApiKeys({ database });
    const { id, key } = await keys.create({ tenant: 'acme', label: 'elsewhere' });
    expect(await other.verify(key)).not.toBeNull();
    await keys.revoke(id);
    time.pass(MINUTE_MS - 1);
    expect(await other.verify(key)).not.toBeNull();
    time.pass(1);
    expect(await other.verify(key)).toBeNull();
  });
});

describe('questions to PostgreSQL', () => {
  it('are asked once for all who come at the same time, and then not for a minute', async () => {
    const time = clock();
    const keys = new ApiKeys({ database, clock: time.now });
    const { id, key } = await keys.create({ tenant: 'acme', label: 'busy' });
    const first = await Promise.all(Array.from({ length: 50 }, () => keys.verify(key)));
    expect(new Set(first).size).toBe(1);
    // The row is gone; the memory of it is not.
    await database.deleteFrom('api_keys').where('id', '=', id).execute();
    time.pass(MINUTE_MS - 1);
    expect(await keys.verify(key)).toMatchObject({ id });
  });

  it('about unknown keys are asked again after 5 s', async () => {
    const time = clock();
    const keys = new ApiKeys({ database, clock: time.now });
    const { id, key } = await keys.create({ tenant: 'acme', label: 'late' });
    const row = await database.deleteFrom('api_keys').where('id', '=', id).returningAll().executeTakeFirstOrThrow();
    expect(await keys.verify(key)).toBeNull();
    await database.insertInto('api_keys').values(row).execute();
    time.pass(4999);
    expect(await keys.verify(key)).toBeNull();
    time.pass(1);
    expect(await keys.verify(key)).toMatchObject({ id });
  });
});

describe('while PostgreSQL is away', () => {
  it('a known key works for 15 min without waiting, any other is store-unavailable', async () => {
    // The schema must survive the kill.
    const postgres = await startPrivatePostgres({ synchronous_commit: 'on' });
    const own = await createWorld({ stores: { database: postgres.url } });
    const time = clock();
    const ownDatabase = connect(own);
    const keys = new ApiKeys({ database: ownDatabase, clock: time.now });
    try {
      const known = await keys.create({ tenant: 'acme', label: 'known' });
      const never = await keys.create({ tenant: 'acme', label: 'never seen' });
      await keys.verify(known.key);

      await postgres.kill();
      time.pass(MINUTE_MS);
      await expect(keys.verify(never.key)).rejects.toMatchObject({ code: 'store-unavailable', status: 503 });
      expect(await keys.verify(known.key)).toMatchObject({ tenant: 'acme' });
      time.pass(14 * MINUTE_MS - 1);
      expect(await keys.verify(known.key)).toMatchObject({ tenant: 'acme' });
      time.pass(1);
      await expect(keys.verify(known.key)).rejects.toMatchObject({ code: 'store-unavailable' });
      await expect(keys.list()).rejects.toMatchObject({ code: 'store-unavailable' });

      await postgres.restart();
      time.pass(1000);
      await expect.poll(() => keys.verify(never.key).catch(() => time.pass(1000))).toMatchObject({ tenant: 'acme' });
      expect(await keys.verify(known.key)).toMatchObject({ tenant: 'acme' });
    } finally {
      await ownDatabase.destroy();
      await own.close();
      await postgres.stop();
    }
  });

  it('a PostgreSQL that hangs costs 1.5 s once, not each request', async () => {
    const time = clock();
    const keys = new ApiKeys({ database, clock: time.now });
    const { key } = await keys.create({ tenant: 'acme', label: 'hang' });
    await keys.verify(key);
    time.pass(MINUTE_MS);
    await database.transaction().execute(async (tx) => {
      // Whoever reads the table now waits until the transaction ends.
      await sql`LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE`.execute(tx);
      const startedMs = Date.now();
      for (let request = 0; request < 20; request += 1)
        expect(await keys.verify(key)).toMatchObject({ tenant: 'acme' });
      const tookMs = Date.now() - startedMs;
      expect(tookMs).toBeGreaterThan(1000);
      expect(tookMs).toBeLessThan(2500);
    });
  });
});
