/**
 * A world of its own for each test file: Redis databases, key prefixes and a PostgreSQL schema that nobody else uses.
 *
 * Promises: `close` leaves nothing, and fails when the test did: a connection that is still open, or a key outside the
 * world's prefixes.
 */

import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { inject } from 'vitest';
import { type Config, type Environment, loadConfig } from '../../src/config.ts';
import { migrateDatabase } from '../../src/database/migrate.ts';
import { Deadline, pause } from '../../src/lifecycle.ts';

export interface WorldOptions {
  /** More variables, or others than the world's. */
  readonly environment?: Environment;
  /** Stores of the test's own: their URLs instead of the shared ones. */
  readonly stores?: { readonly redis?: string; readonly cache?: string; readonly database?: string };
  /** Run the migrations in the new schema; yes unless told. */
  readonly migrate?: boolean;
}

export interface World {
  /** Letters and digits; part of every prefix of this world. */
  readonly name: string;
  /** All its variables: give them to processes that the test starts. */
  readonly environment: Environment;
  readonly config: Config;
  /** Remove the world's keys and schema. Throws when connections are left open, or keys outside its prefixes. */
  close(): Promise<void>;
}

const CLOSE_MS = 5000;
/** The counter that hands out Redis databases; in database 0, which no world uses. */
const COUNTER = 'test:worlds';

/** Make a world. */
export async function createWorld({
  environment = {},
  stores = {},
  migrate = true,
}: WorldOptions = {}): Promise<World> {
  const number = await nextNumber(inject('REDIS_URL'));
  const name = `w${number}`;
  const database = new URL(stores.database ?? inject('DATABASE_URL'));
  database.searchParams.set('application_name', `millrace:${name}`);
  const variables: Environment = {
    REDIS_URL: stores.redis ?? withDatabase(inject('REDIS_URL'), number),
    REDIS_CACHE_URL: stores.cache ?? withDatabase(inject('REDIS_CACHE_URL'), number),
    DATABASE_URL: database.href,
    DATABASE_SCHEMA: `test_${name}`,
    QUEUE_PREFIX: `${name}-bull`,
    KEY_PREFIX: `${name}:`,
    CACHE_KEY_PREFIX: `${name}-cache:`,
    JOURNAL_DIR: join(tmpdir(), `millrace-journal-${process.pid}-${name}`),
    MEDIA_DIR: join(tmpdir(), `millrace-media-${process.pid}-${name}`),
    AUTH: 'off',
    LOG_LEVEL: process.env.LOG_LEVEL ?? 'silent',
    ...environment,
  };
  const config = loadConfig({}, variables);
  if (migrate) await migrateDatabase({ url: config.DATABASE_URL, schema: config.DATABASE_SCHEMA });
  return { name, environment: variables, config, close: () => close(config, name) };
}

async function nextNumber(url: string): Promise<number> {
  const redis = new Redis(url);
  try {
    return await redis.incr(COUNTER);
  } finally {
    redis.disconnect();
  }
}

function withDatabase(url: string, number: number): string {
  const parsed = new URL(url);
  parsed.pathname = `/${number}`;
  return parsed.href;
}

async function close(config: Config, name: string): Promise<void> {
  await rm(config.JOURNAL_DIR ?? '', { recursive: true, force: true });
  await rm(config.MEDIA_DIR ?? '', { recursive: true, force: true });
  const problems = [
    ...(await closeRedis(config.REDIS_URL, [`${config.QUEUE_PREFIX}:`, config.KEY_PREFIX])),
    ...(await closeRedis(config.REDIS_CACHE_URL, [config.CACHE_KEY_PREFIX])),
    ...(await closeDatabase(config, name)),
  ];
  if (problems.length > 0) throw new Error(`The world ${name} leaks:\n${problems.join('\n')}`);
}

/** Empty the world's part of a Redis; what is wrong there. */
async function closeRedis(url: string, prefixes: readonly string[]): Promise<string[]> {
  const redis = new Redis(url, { maxRetriesPerRequest: 0, retryStrategy: null, connectionName: 'test:world' });
  const own = new URL(url).pathname.slice(1) || '0';
  try {
    const open = await settled(async () => {
      const clients = String(await redis.client('LIST')).split('\n');
      const others = clients.filter((line) => line.includes(` db=${own} `) && !line.includes(' name=test:world '));
      return others.map((line) => `Redis connection left open: ${/ name=(\S*)/.exec(line)?.[1] || line}`);
    });
    const strays: string[] = [];
    for await (const keys of redis.scanStream({ count: 1000 })) {
      strays.push(...(keys as string[]).filter((key) => !prefixes.some((prefix) => key.startsWith(prefix))));
      if (keys.length > 0) await redis.unlink(keys as string[]);
    }
    return [...open, ...strays.map((key) => `Redis key outside ${prefixes.join(' and ')}: ${key}`)];
  } finally {
    redis.disconnect();
  }
}

/** Drop the world's schema; what is wrong there. */
async function closeDatabase(config: Config, name: string): Promise<string[]> {
  const url = new URL(config.DATABASE_URL);
  url.searchParams.delete('application_name');
  const client = new pg.Client({ connectionString: url.href, statement_timeout: CLOSE_MS });
  await client.connect();
  try {
    const open = await settled(async () => {
      const sessions = 'SELECT state, query FROM pg_stat_activity WHERE application_name = $1';
      const { rows } = await client.query<{ state: string; query: string }>(sessions, [`millrace:${name}`]);
      return rows.map(({ state, query }) => `PostgreSQL connection left open (${state}): ${query}`);
    });
    await client.query(`DROP SCHEMA IF EXISTS ${client.escapeIdentifier(config.DATABASE_SCHEMA)} CASCADE`);
    return open;
  } finally {
    await client.end();
  }
}

/** Ask until nothing is wrong: a server sees the end of a connection a little later than its client. */
async function settled(ask: () => Promise<string[]>): Promise<string[]> {
  const deadline = Deadline.in(2000);
  for (;;) {
    const problems = await ask();
    if (problems.length === 0 || deadline.leftMs === 0) return problems;
    await pause(20);
  }
}
