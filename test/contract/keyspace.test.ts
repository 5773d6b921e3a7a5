/** docs/keyspace.md tells of every key there is, and of no other. */

import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { beforeAll, describe, expect, it } from 'vitest';
import { cacheKeys, queueKeys, tenantKey } from '../../src/redis/keys.ts';
import { DEFAULT_TENANT } from '../../src/resources.ts';
import { codesIn, readPage, type Table, tablesOf } from '../support/markdown.ts';
import { createWorld } from '../support/world.ts';

type KeyFunction = (...args: readonly never[]) => string;

const FUNCTIONS: Record<string, KeyFunction> = {
  ...named('queueKeys', queueKeys),
  ...named('cacheKeys', cacheKeys),
};

function named(table: string, keys: Readonly<Record<string, KeyFunction>>): Record<string, KeyFunction> {
  return Object.fromEntries(Object.entries(keys).map(([name, key]) => [`${table}.${name}`, key]));
}

/** What a key function makes of placeholders: `{userId}` for an argument of that name. */
function patternsOf(key: KeyFunction): string[] {
  const parameters = /^\(([^)]*)\)/.exec(key.toString())?.[1] ?? '';
  const call = key as (...args: readonly unknown[]) => string;
  if (parameters.includes('kind')) {
    const ofKind = (kind: string) => call({ kind, tenant: DEFAULT_TENANT, id: '{id}' });
    const general = ofKind('{kind}');
    return ofKind('profile') === general.replace('{kind}', 'profile') ? [general] : [ofKind('profile'), general];
  }
  const names = parameters.split(',').map((name) => name.trim());
  return [call(...names.map((name) => (name === 'tenant' ? DEFAULT_TENANT : `{${name}}`)))];
}

describe('docs/keyspace.md', () => {
  let tables: readonly Table[];

  beforeAll(async () => {
    tables = tablesOf(await readPage('docs/keyspace.md'));
  });

  const rows = () => tables.filter(({ header }) => header[1] === 'function').flatMap((table) => table.rows);
  const bullRows = () => tables.filter(({ heading }) => heading.startsWith('BullMQ')).flatMap((table) => table.rows);

  it('names every key function once, and no other', () => {
    const documented = rows().flatMap((row) => codesIn(row[1] ?? ''));
    expect(documented.sort()).toEqual(Object.keys(FUNCTIONS).sort());
  });

  it.each(Object.entries(FUNCTIONS))('spells the key of %s as the function does', (name, key) => {
    const row = rows().find((each) => codesIn(each[1] ?? '').includes(name));
    expect(codesIn(row?.[0] ?? '').sort()).toEqual(patternsOf(key).sort());
  });

  it('leaves no cell empty', () => {
    expect([...rows(), ...bullRows()].filter((row) => row.some((cell) => cell === ''))).toEqual([]);
  });

  it('says how another tenant is kept apart', async () => {
    expect(await readPage('docs/keyspace.md')).toContain(`\`${tenantKey('acme', 'profile:u-1')}\``);
  });

  it('names every key that a queue at work leaves in Redis', async () => {
    const world = await createWorld({ migrate: false });
    const connection = new Redis(world.config.REDIS_URL, { maxRetriesPerRequest: null });
    const queue = new Queue('learning', { connection, prefix: 'bull' });
    const seen = new Set<string>();
    const look = async () => {
      for await (const keys of connection.scanStream()) for (const key of keys as string[]) seen.add(key);
    };
    const worker = new Worker('learning', look, { connection, prefix: 'bull', metrics: { maxDataPoints: 10 } });
    const drained = new Promise<void>((resolve) => worker.once('drained', resolve));
    try {
      await queue.addBulk([
        { name: 'a', data: {}, opts: { jobId: 'learning_a' } },
        { name: 'b', data: {}, opts: { jobId: 'learning_b', priority: 5 } },
        { name: 'c', data: {}, opts: { jobId: 'learning_c', delay: 600_000 } },
      ]);
      await drained;
      await look();
    } finally {
      await worker.close();
      await queue.obliterate({ force: true });
      await queue.close();
      connection.disconnect();
      await world.close();
    }
    const known = bullRows().flatMap((row) => codesIn(row[0] ?? '').map(toPattern));
    expect([...seen].filter((key) => !known.some((pattern) => pattern.test(key)))).toEqual([]);
    expect(seen.size).toBeGreaterThan(8);
  });
});

function toPattern(key: string): RegExp {
  return new RegExp(`^${key.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{[^}]+\}/g, '[^:]+')}$`);
}
