/**
 * How a client finds the master that Sentinels name, and leaves it when it is the master no more.
 *
 * Promises: the client connects to a server only if that says itself that it is the master; every Sentinel that answers
 * tells it of a failover, and it leaves the old master then, also one that hangs; a master that refuses a write because
 * it was demoted is left at once. Sentinels that are away are asked again within a second.
 *
 * ioredis has a listener of its own (`failoverDetector`). It heeds other masters' failovers, prints each try to reach a
 * Sentinel that is away, outlives `quit`, and ends the client for good when it hears while the client connects.
 */

import { Redis, type RedisOptions, type SentinelConnectionOptions, SentinelConnector } from 'ioredis';
import type { RedisAddress } from '../redis-address.ts';

/** Options of a client; how replies look is not ours to change. */
export type ServerOptions = Omit<RedisOptions, 'replyMapping'>;

/** Milliseconds between two questions for the new master, at most: it is there before a second is over. */
const ASK_AGAIN_MS = 250;
/** Milliseconds that a Sentinel may take to say who the master is. */
const ANSWER_MS = 500;
/** Milliseconds until a Sentinel that stopped telling us of failovers is tried again; the others tell us meanwhile. */
const LISTEN_AGAIN_MS = 5000;
const SWITCHED = '+switch-master';

export interface SentinelOptions {
  /** Milliseconds until Sentinels that were all away are asked again, by the number of tries. */
  readonly delayMs: (tries: number) => number;
  /** Send a command that a demoted master refused to the new one; else it fails. */
  readonly waits: boolean;
}

/** What a client of this master needs besides the limits of its role. */
export function sentinelOptions(
  address: RedisAddress & { readonly kind: 'sentinel' },
  { delayMs, waits }: SentinelOptions,
): ServerOptions {
  const { endpoints, master, db, sentinels, tls } = address;
  return {
    Connector: MasterConnector,
    sentinels: [...endpoints],
    name: master,
    role: 'master',
    db,
    ...loginOf(address),
    ...(sentinels.username !== undefined && { sentinelUsername: sentinels.username }),
    ...(sentinels.password !== undefined && { sentinelPassword: sentinels.password }),
    ...(tls && { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true }),
    sentinelCommandTimeout: ANSWER_MS,
    sentinelRetryStrategy: delayMs,
    retryStrategy: (tries) => Math.min(ASK_AGAIN_MS, delayMs(tries)),
    // 2: reconnect and send it again. Nothing was done, so it is done once.
    reconnectOnError: (error) => wasDemoted(error) && (waits ? 2 : 1),
  };
}

/** Did a server refuse because it has become a replica? */
function wasDemoted({ message }: Error): boolean {
  return /^(READONLY|UNBLOCKED|MASTERDOWN) /.test(message);
}

/** User and password as options, where there are any. */
export function loginOf({ username, password }: { readonly username?: string; readonly password?: string }) {
  return { ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
}

/** Connects to the master, and cuts the connection when a Sentinel says that another server is it. */
class MasterConnector extends SentinelConnector {
  constructor(options: unknown) {
    // ioredis hands a connector the options of its client.
    super(options as SentinelConnectionOptions);
  }

  override async connect(...args: Parameters<SentinelConnector['connect']>) {
    const stream = await super.connect(...args);
    // The Sentinel that answered is asked first next time. Without this ioredis goes on down its list, and at the end of
    // it says that all Sentinels are unreachable.
    this.sentinelIterator.reset(true);
    const listeners = (this.options.sentinels ?? []).map((sentinel) =>
      this.#listenTo(sentinel, () => stream.destroy()),
    );
    stream.once('close', () => {
      for (const listener of listeners) listener.disconnect();
    });
    return stream;
  }

  #listenTo({ host = 'localhost', port = 26_379 }: { host?: string; port?: number }, heard: () => void): Redis {
    const { name, connectTimeout = 2000, sentinelUsername, sentinelPassword, sentinelTLS } = this.options;
    const listener = new Redis({
      host,
      port,
      connectTimeout,
      ...loginOf({
        ...(sentinelUsername !== undefined && { username: sentinelUsername }),
        ...(sentinelPassword !== undefined && { password: sentinelPassword }),
      }),
      ...(sentinelTLS !== undefined && { tls: sentinelTLS }),
      connectionName: 'millrace:failovers',
      enableReadyCheck: false,
      maxRetriesPerRequest: null,
      retryStrategy: () => LISTEN_AGAIN_MS,
    });
    listener.on('error', () => {
      // It is tried again; whoever needs the Sentinels to find the master tells that they are away.
    });
    listener.on('message', (_channel: string, message: string) => {
      if (message.split(' ')[0] === name) heard();
    });
    listener.subscribe(SWITCHED).catch(() => {
      // The listener was closed before it had connected.
    });
    return listener;
  }
}
