/**
 * A client of a Redis Cluster that answers for the whole Cluster.
 *
 * Promises: PING answers when every slot is served by a master that answers, and fails otherwise: a command goes to the
 * one master that owns its slot, so a PING to just any of them would say nothing about it. A PING that fails makes the
 * client ask anew who owns what. While a master is away, commands to its slots wait for its replica as long as the role
 * allows. A master that hangs is left within 3 s after its replica was promoted.
 */

import { Cluster, type ClusterOptions, type Redis } from 'ioredis';
import type { Endpoint } from '../redis-address.ts';

/** Milliseconds between two looks at who owns which slots: how late a worker leaves a master that hangs. */
const LOOK_MS = 2000;
/** Milliseconds that one node may take to tell it. */
const TELL_MS = 500;
/** Milliseconds until a command is tried again: its slot is moving, or its master has gone and no replica is promoted yet. */
const AGAIN_MS = { moved: 20, away: 100 } as const;

/** What is the same for every role. */
const FOR_ALL = {
  // Its question goes to any node, has no limit of its own, and until it is answered nothing else is asked.
  enableReadyCheck: false,
  slotsRefreshInterval: LOOK_MS,
  slotsRefreshTimeout: TELL_MS,
  retryDelayOnMoved: AGAIN_MS.moved,
  retryDelayOnTryAgain: AGAIN_MS.away,
  retryDelayOnFailover: AGAIN_MS.away,
  retryDelayOnClusterDown: AGAIN_MS.away,
} as const satisfies ClusterOptions;

/** A master behind a client. */
export interface Master {
  /** `host:port`, as the Cluster or the Sentinels tell it. */
  readonly place: string;
  readonly client: Redis;
}

export interface ClusterClientOptions {
  readonly endpoints: readonly Endpoint[];
  /** How often one command may be sent somewhere else before it fails. */
  readonly redirections: number;
  /** Wait for a Cluster that is away instead of failing. */
  readonly waits: boolean;
  readonly retryStrategy: (tries: number) => number;
  /** Limits, login and TLS of the connection to each node. */
  readonly node: Omit<NonNullable<ClusterOptions['redisOptions']>, 'replyMapping'>;
}

type Duplicate = (endpoints?: unknown, options?: Pick<ClusterOptions, 'redisOptions'>) => ClusterClient;

export class ClusterClient extends Cluster {
  constructor(given: ClusterClientOptions) {
    const { endpoints, redirections, waits, retryStrategy, node } = given;
    super([...endpoints], {
      ...FOR_ALL,
      enableOfflineQueue: waits,
      maxRedirections: redirections,
      clusterRetryStrategy: retryStrategy,
      redisOptions: node,
      // A certificate names a host: ioredis would connect to its address.
      ...(node.tls !== undefined && { dnsLookup: (host, found) => found(null, host) }),
    });
    // BullMQ blocks on a duplicate, which must be one of ours.
    const duplicate: Duplicate = (_endpoints, options) =>
      new ClusterClient({ ...given, node: { ...node, ...options?.redisOptions } });
    this.duplicate = duplicate as Cluster['duplicate'];
  }

  /**
   * Connect. Rejects when the first try fails; more follow all the same. Without this it would not settle when the
   * connection is lost half way, and a BullMQ worker that waits for it would take no more jobs.
   */
  override async connect(): Promise<void> {
    let closed = () => {};
    const failing = new Promise<never>((_resolve, reject) => {
      closed = () => reject(new Error('Connection is closed.'));
    });
    this.once('close', closed);
    try {
      await Promise.race([super.connect(), failing]);
    } finally {
      this.off('close', closed);
    }
  }

  /** PONG when every slot has a master that answers and serves. */
  override async ping(): Promise<'PONG'> {
    try {
      await Promise.all(this.owners().map(checkState));
      return 'PONG';
    } catch (error) {
      this.refreshSlotsCache();
      throw error;
    }
  }

  /** The masters that own slots. Throws, and asks anew who they are, when one of them is not connected. */
  owners(): readonly Master[] {
    if (this.slots.length === 0) throw new Error('None of startup nodes is available');
    const masters = new Map(this.nodes('master').map((client) => [placeOf(client), client]));
    return [...new Set(this.slots.map(([master]) => master ?? ''))].map((place) => {
      const client = masters.get(place);
      if (client !== undefined) return { place, client };
      this.refreshSlotsCache();
      throw new Error(`Connection is closed: the master ${place} of the Cluster is away`);
    });
  }
}

/** Rejects when a master does not answer, or says that the Cluster does not serve. */
async function checkState({ place, client }: Master): Promise<void> {
  if (/cluster_state:ok/.test(await client.cluster('INFO'))) return;
  throw new Error(`CLUSTERDOWN the master ${place} says that the Cluster does not serve`);
}

/** `host:port` of a node. */
export function placeOf({ options }: Redis): string {
  return `${options.host}:${options.port}`;
}
