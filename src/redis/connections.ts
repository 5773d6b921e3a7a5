/**
 * One Redis client per role, whether the URL names a server, Sentinels or a Cluster. Each role differs in what it may
 * wait for, and that is all this file decides.
 *
 * Promises: a client of the web process never queues a command while Redis is away and never waits longer than 1.5 s
 * for an answer; a worker's client waits for Redis to come back; every client reconnects within a second of its return,
 * or of the promotion of a replica. The figures are measured ones: see `docs/decisions/0003-redis-connections.md` and
 * `docs/decisions/0012-redis-topologies.md`.
 */

import { type Cluster, Redis as Server } from 'ioredis';
import type { Logger } from '../logger.ts';
import { parseRedisAddress, type RedisAddress } from '../redis-address.ts';
import { ClusterClient, type Master, placeOf } from './cluster.ts';
import { defineScripts, type ScriptedRedis } from './scripts.ts';
import { loginOf, type ServerOptions, sentinelOptions } from './sentinel.ts';

export type { ScriptedRedis };

/** A client of one server, of the master that Sentinels know, or of a Cluster: they take the same commands. */
export type Redis = Server | Cluster;

/**
 * `producer`: fails fast, for everything a caller waits on. `worker`: waits, for BullMQ workers and their blocking
 * reads. `cache`: fails faster still, since the source of truth can answer instead.
 */
export type RedisRole = 'producer' | 'worker' | 'cache';

const CONNECT_TIMEOUT_MS = 2000;
/** Milliseconds until a connection that was given up is cut: a server that hangs never says goodbye. */
const DISCONNECT_TIMEOUT_MS = 500;

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
} as const satisfies Record<RedisRole, ServerOptions>;

/** How often a command may be sent to another node of a Cluster, with pauses. A worker's waits for a failover. */
const REDIRECTIONS: Readonly<Record<RedisRole, number>> = { producer: 16, worker: Number.POSITIVE_INFINITY, cache: 4 };

export interface ConnectOptions {
  /** One of the forms in `src/redis-address.ts`. */
  readonly url: string;
  readonly role: RedisRole;
  /** Shown by CLIENT LIST. */
  readonly name: string;
  readonly logger: Logger;
}

/** Open a client. It connects in the background; its errors are logged once per outage, never thrown. */
export function connectRedis({ url, role, name, logger }: ConnectOptions): ScriptedRedis {
  const client = open(parseRedisAddress(url), role, {
    ...BY_ROLE[role],
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
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
  if (client instanceof ClusterClient) tellOfNodes(client, name, logger);
  return defineScripts(client);
}

/** Log each node of a Cluster that goes away, once, and its return. */
function tellOfNodes(client: ClusterClient, name: string, logger: Logger): void {
  const away = new Set<string>();
  client.on('node error', (error: Error, node: string) => {
    if (!away.has(node)) logger.warn({ err: { message: error.message }, redis: name, node }, 'a Redis node is away');
    away.add(node);
  });
  client.on('+node', (server: Server) => {
    server.once('ready', () => {
      const node = placeOf(server);
      if (away.delete(node)) logger.info({ redis: name, node }, 'a Redis node is back');
    });
  });
}

/**
 * The masters that a client of a Cluster or of Sentinels speaks to just now; undefined when the URL names the server.
 * Throws while a part of the Cluster has none.
 */
export function mastersOf(client: object): readonly Master[] | undefined {
  if (client instanceof ClusterClient) return client.owners();
  if (!(client instanceof Server) || client.options.sentinels == null) return undefined;
  const { remoteAddress, remotePort } = client.stream ?? {};
  return [{ place: `${remoteAddress}:${remotePort}`, client }];
}

function open(address: RedisAddress, role: RedisRole, options: ServerOptions): Redis {
  switch (address.kind) {
    case 'single':
      return new Server(address.url, options);
    case 'sentinel':
      return new Server({
        ...options,
        ...sentinelOptions(address, { delayMs: reconnectDelayMs, waits: role === 'worker' }),
      });
    case 'cluster': {
      const { enableOfflineQueue = true, retryStrategy: _toOneNode, ...limits } = options;
      return new ClusterClient({
        endpoints: address.endpoints,
        redirections: REDIRECTIONS[role],
        waits: enableOfflineQueue,
        retryStrategy: reconnectDelayMs,
        node: { ...limits, ...loginOf(address), ...(address.tls && { tls: {} }) },
      });
    }
  }
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
