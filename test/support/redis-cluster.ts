/**
 * A Redis Cluster of three masters with a replica each, for one test file: to kill a master and see what happens.
 *
 * Promises: `startRedisCluster` resolves when every slot is served and every replica has its master's data; it needs
 * `redis-server` and nothing else. A master that is killed is replaced within about 3 s.
 */

import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { LOOPBACK } from '../../src/local/ports.ts';
import { freeClusterPort, type RedisNode, settles, startDataNode } from './redis-node.ts';

export interface RedisCluster {
  /** `redis+cluster://…` with three of its nodes. */
  readonly url: string;
  readonly nodes: readonly RedisNode[];
  /** The node that is the master of a key's slot, as the living ones see it. */
  ownerOf(key: string): Promise<RedisNode>;
  /** Ask for a planned failover: the replica of this master takes over. */
  failOver(master: RedisNode): Promise<void>;
  /** Stop it for good and remove its folders. */
  stop(): Promise<void>;
}

const MASTERS = 3;
const SLOTS = 16_384;
/** Milliseconds after which a node that does not answer counts as failed. */
const NODE_TIMEOUT_MS = 1000;
const FORM_MS = 20_000;

/** Start the Cluster. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const password = randomBytes(9).toString('hex');
  const settings = [
    'cluster-enabled yes',
    `cluster-node-timeout ${NODE_TIMEOUT_MS}`,
    `masterauth ${password}`,
    // Both for a quick start: a replica counts for nothing before its master has sent it anything.
    'repl-diskless-sync-delay 0',
    'repl-ping-replica-period 1',
  ];
  const nodes: RedisNode[] = [];
  const stop = async () => void (await Promise.all(nodes.map((node) => node.stop())));
  try {
    for (let index = 0; index < 2 * MASTERS; index++) {
      nodes.push(await startDataNode({ password, port: await freeClusterPort(), settings }));
    }
    await form(nodes);
  } catch (error) {
    await stop();
    throw error;
  }
  const hosts = nodes.slice(0, MASTERS).map(({ port }) => `${LOOPBACK}:${port}`);
  return {
    url: `redis+cluster://:${password}@${hosts.join(',')}`,
    nodes,
    ownerOf: (key) => ownerOf(nodes, key),
    failOver: (master) => failOver(nodes, master),
    stop,
  };
}

async function form(nodes: readonly RedisNode[]): Promise<void> {
  const masters = nodes.slice(0, MASTERS);
  for (const [index, master] of masters.entries()) {
    const [from, to] = [index, index + 1].map((part) => Math.floor((part * SLOTS) / MASTERS)) as [number, number];
    await master.with((client) =>
      client.cluster('ADDSLOTS', ...Array.from({ length: to - from }, (_, at) => from + at)),
    );
  }
  for (const node of nodes.slice(1)) await nodes[0]?.with((client) => client.cluster('MEET', LOOPBACK, node.port));
  await all(
    nodes,
    'the number of known nodes',
    (client) => factOf(client, 'cluster_known_nodes'),
    String(nodes.length),
  );
  for (const [index, master] of masters.entries()) {
    const id = await master.with((client) => client.cluster('MYID'));
    await nodes[MASTERS + index]?.with((client) => client.cluster('REPLICATE', id));
  }
  await all(nodes, 'the state of the Cluster', (client) => factOf(client, 'cluster_state'), 'ok');
  await all(nodes.slice(MASTERS), 'the link to the master', linkOf, 'up');
  // A replica that nobody has heard of yet would not be chosen.
  const replicas = async (client: Redis) =>
    String((await slotsOf(client)).filter(([, , ...owners]) => owners.length > 1).length);
  await all(nodes, 'the number of masters with a replica', replicas, String(MASTERS));
}

async function all(nodes: readonly RedisNode[], what: string, ask: (client: Redis) => Promise<string>, right: string) {
  for (const node of nodes)
    await settles(
      what,
      FORM_MS,
      () => node.with(ask),
      (answer) => answer === right,
    );
}

async function linkOf(replica: Redis): Promise<string> {
  return /master_link_status:(\w+)/.exec(await replica.info('replication'))?.[1] ?? '';
}

async function factOf(client: Redis, name: string): Promise<string> {
  return new RegExp(`${name}:(\\S+)`).exec(await client.cluster('INFO'))?.[1] ?? '';
}

type SlotRange = readonly [from: number, to: number, ...owners: (readonly [host: string, port: number])[]];

async function slotsOf(client: Redis): Promise<SlotRange[]> {
  return (await client.cluster('SLOTS')) as unknown as SlotRange[];
}

async function ownerOf(nodes: readonly RedisNode[], key: string): Promise<RedisNode> {
  for (const node of nodes) {
    const port = await node.with((client) => masterPort(client, key)).catch(() => undefined);
    const owner = nodes.find((each) => each.port === port);
    if (owner !== undefined) return owner;
  }
  throw new Error(`No node of the Cluster knows who owns the slot of ${key}.`);
}

async function masterPort(client: Redis, key: string): Promise<number | undefined> {
  const slot = await client.cluster('KEYSLOT', key);
  const [, , master] = (await slotsOf(client)).find(([from, to]) => from <= slot && slot <= to) ?? [];
  return master?.[1];
}

async function failOver(nodes: readonly RedisNode[], master: RedisNode): Promise<void> {
  for (const node of nodes) {
    const isReplica = await node.with(async (client) => {
      const [role, , port] = (await client.call('ROLE')) as unknown[];
      return role === 'slave' && port === master.port;
    });
    if (!isReplica) continue;
    // One that is still being filled takes the order, and drops it silently after 5 s.
    await all([node], 'the link to the master', linkOf, 'up');
    return void (await node.with((client) => client.cluster('FAILOVER')));
  }
  throw new Error(`No replica of ${master.port} is there.`);
}
