/**
 * The connection to PostgreSQL: one pool per process.
 *
 * Promises: no query and no wait for a connection outlives its limit; when PostgreSQL is away a query fails within 2 s
 * with an error that `asStoreError` knows.
 */

import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import { AppError } from '../errors.ts';
import type { Tables } from './schema.ts';

export type Database = Kysely<Tables>;

/** Milliseconds until a query that PostgreSQL is still working on is given up, on both sides. */
const STATEMENT_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 2000;

export interface DatabaseOptions {
  readonly url: string;
  /** Schema that holds the tables: the whole search path. */
  readonly schema: string;
  /** Most connections that this process opens. */
  readonly poolSize: number;
  /** Shown in pg_stat_activity. */
  readonly name: string;
  /** Called when a connection breaks; the pool replaces it by itself. */
  readonly onLost?: (error: Error) => void;
}

/** Open a pool. It connects when first used. */
export function connectDatabase({ url, schema, poolSize, name, onLost }: DatabaseOptions): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: poolSize,
    application_name: `millrace:${name}`,
    options: `-c search_path=${schema}`,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: 30_000,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS + 1000,
    keepAlive: true,
  });
  pool.on('error', (error) => onLost?.(error));
  // A connection in use that breaks tells its query; without a listener of its own it would also end the process.
  pool.on('connect', (client) => client.on('error', (error) => onLost?.(error)));
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
}

/** Does PostgreSQL answer? Rejects within 2 s when it does not. */
export async function pingDatabase(database: Database): Promise<void> {
  await sql`SELECT 1`.execute(database);
}

/** SQLSTATE classes that mean "away, not wrong": connection, resources, operator intervention. */
const AWAY_CLASSES = new Set(['08', '53', '57']);
const AWAY_CODES = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'ENOENT']);
const AWAY_MESSAGES = /Connection terminated|timeout exceeded when trying to connect|Query read timeout|not queryable/;
/** Deadlock and serialisation failure: the same transaction may succeed when it is tried again. */
const CONFLICTS = new Set(['40001', '40P01']);

/** Is this what pg throws while PostgreSQL cannot be reached, or cannot serve us for now? */
export function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (AWAY_CODES.has(code) || CONFLICTS.has(code)) return true;
  if (/^[0-9A-Z]{5}$/.test(code)) return AWAY_CLASSES.has(code.slice(0, 2));
  return AWAY_MESSAGES.test(error.message);
}

/** Turn an error of pg that means "away" into `store-unavailable`; anything else is returned as it is. */
export function asStoreError(error: unknown): unknown {
  if (!isDatabaseAway(error)) return error;
  return new AppError('store-unavailable', 'PostgreSQL does not answer.', { cause: error, retryAfterSeconds: 2 });
}
