/**
 * One Redis client per role. Each role differs in what it may wait for, and that is all this file decides.
 *
 * Promises: a client of the web process never queues a command while Redis is away and never waits longer than 1.5 s
 * for an answer; a worker's client waits for Redis to come back; every client reconnects within a second of its return.
 * The figures are measured ones: see `docs/decisions/0003-redis-connections.md`.
 */

import { Redis, type RedisOptions } from 'ioredis';
import type { Logger } from '../logger.ts';
import { defineScripts, type ScriptedRedis } from './scripts.ts';

export type { Redis, ScriptedRedis };

/**
 * `producer`: fails fast, for everything a caller waits on. `worker`: waits, for BullMQ workers and their blocking
 * reads. `cache`: fails faster still, since the source of truth can answer instead.
 */
export type RedisRole = 'producer' | 'worker' | 'cache';

const CONNECT_TIMEOUT_MS = 2000;

/** Milliseconds until the next try to connect: 50, 100, 200 … at most 1,000, with up to a fifth of jitter. */
export function reconnectDelayMs(tries: number): number {
  const ceiling = Math.min(1000, 50 * 2 ** Math.min(tries - 1, 10));
  return Math.round(ceiling * (0.8 + 0.2 * Math.random()));
}

const BY_ROLE = {
  producer: {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    autoResendUnfulfilledCommands: false,
    commandTimeout: 1500,
  },
  // No commandTimeout: it would cut the blocking read.
  worker: { maxRetriesPerRequest: null },
  cache: {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    commandTimeout: 500,
  },
} as const satisfies Record<RedisRole, RedisOptions>;

export interface ConnectOptions {
  readonly url: string;
  readonly role: RedisRole;
  /** Shown by CLIENT LIST. */
  readonly name: string;
  readonly logger: Logger;
}

/** Open a client. It connects in the background; its errors are logged once per outage, never thrown. */
export function connectRedis({ url, role, name, logger }: ConnectOptions): ScriptedRedis {
  const client = new Redis(url, {
    ...BY_ROLE[role],
    connectTimeout: CONNECT_TIMEOUT_MS,
    connectionName: `millrace:${name}`,
    retryStrategy: reconnectDelayMs,
  });
  let away = false;
  client.on('error', (error: Error) => {
    if (!away) logger.warn({ err: { message: error.message }, redis: name }, 'Redis is away; reconnecting');
    away = true;
  });
  client.on('ready', () => {
    if (away) logger.info({ redis: name }, 'Redis is back');
    away = false;
  });
  return defineScripts(client);
}

/** Close a client: politely when Redis answers within `ms`, else at once. */
export async function closeRedis(client: Redis, ms = 1000): Promise<void> {
  if (client.status === 'end') return;
  const timer = setTimeout(() => client.disconnect(), ms);
  try {
    if (client.status === 'ready') await client.quit();
    else client.disconnect();
  } catch {
    // The connection broke while it was being closed: it is closed.
    client.disconnect();
  } finally {
    clearTimeout(timer);
  }
}

/** Resolve once the client is ready; reject after `ms`, leaving the client to go on trying. */
export function redisReady(client: Redis, ms: number): Promise<void> {
  if (client.status === 'ready') return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      client.off('ready', ready);
      reject(new Error(`Redis did not answer within ${ms} ms`));
    }, ms);
    const ready = () => {
      clearTimeout(timer);
      resolve();
    };
    client.once('ready', ready);
  });
}
