/**
 * A Redis master with two replicas and three Sentinels, for one test file: to fail over, also to a replica that lags.
 *
 * Promises: `startRedisSentinel` resolves when the Sentinels know the replicas and each other; a master that is killed
 * is replaced within about 3 s. The replicas follow their first master through lines that the test can hold: what the
 * master sends meanwhile does not reach them, and is lost if the master dies.
 */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { LOOPBACK } from '../../src/local/ports.ts';
import { freePort, type RedisNode, settles, startDataNode, startSentinelNode } from './redis-node.ts';

export interface RedisSentinel {
  /** `redis+sentinel://…/mymaster` with all Sentinels. */
  readonly url: string;
  /** The first master, then its replicas. */
  readonly servers: readonly RedisNode[];
  readonly sentinels: readonly RedisNode[];
  /** The server that the Sentinels call the master. */
  master(): Promise<RedisNode>;
  /** Wait until another server than this is the master, and says so itself. */
  successorOf(old: RedisNode): Promise<RedisNode>;
  /** Ask for a planned failover. */
  failOver(): Promise<void>;
  /** Let the replicas fall behind from now on: nothing that the first master sends reaches them any more. */
  holdReplication(): void;
  /** Stop all for good and remove their folders. */
  stop(): Promise<void>;
}

const NAME = 'mymaster';
const REPLICAS = 2;
const SENTINELS = 3;
/** Milliseconds after which a Sentinel takes a server that does not answer for down. */
const DOWN_AFTER_MS = 1000;
/** Milliseconds until a failover that failed is tried again, and until a replica of another address is set right. */
const FAILOVER_TIMEOUT_MS = 60_000;
const FORM_MS = 20_000;
const FAILOVER_MS = 20_000;

/** Start servers and Sentinels. */
export async function startRedisSentinel(): Promise<RedisSentinel> {
  const password = randomBytes(9).toString('hex');
  const sentinelPassword = randomBytes(9).toString('hex');
  const servers: RedisNode[] = [];
  const sentinels: RedisNode[] = [];
  let line: ReplicationLine | undefined;
  const stop = async () => {
    await Promise.all([...sentinels, ...servers].map((node) => node.stop()));
    await line?.close();
  };
  try {
    const master = await startDataNode({
      password,
      port: await freePort(),
      settings: [`masterauth ${password}`, 'repl-diskless-sync-delay 0'],
    });
    servers.push(master);
    line = await ReplicationLine.to(master.port);
    for (let index = 0; index < REPLICAS; index++) {
      const settings = [`masterauth ${password}`, `replicaof ${LOOPBACK} ${line.port}`];
      servers.push(await startDataNode({ password, port: await freePort(), settings }));
    }
    await settles(
      'the number of replicas',
      FORM_MS,
      () => replicasOf(master),
      (count) => count === REPLICAS,
    );
    const settings = [
      `sentinel monitor ${NAME} ${LOOPBACK} ${master.port} 2`,
      `sentinel auth-pass ${NAME} ${password}`,
      `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
      `sentinel failover-timeout ${NAME} ${FAILOVER_TIMEOUT_MS}`,
    ];
    for (let index = 0; index < SENTINELS; index++) {
      sentinels.push(await startSentinelNode({ password: sentinelPassword, port: await freePort(), settings }));
    }
    for (const sentinel of sentinels) {
      await settles(
        'what a Sentinel knows',
        FORM_MS,
        () => knownTo(sentinel),
        (known) => known === `${REPLICAS} ${SENTINELS - 1}`,
      );
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const held = line;
  const hosts = sentinels.map(({ port }) => `${LOOPBACK}:${port}`).join(',');
  const master = () => masterOf(sentinels, servers);
  return {
    url: `redis+sentinel://:${password}@${hosts}/${NAME}?sentinel_password=${sentinelPassword}`,
    servers,
    sentinels,
    master,
    successorOf: async (old) => {
      const next = await settles('the master', FAILOVER_MS, master, (node) => node !== old);
      await settles(
        'its role',
        FAILOVER_MS,
        () => roleOf(next),
        (role) => role === 'master',
      );
      return next;
    },
    failOver: () => failOver(sentinels),
    holdReplication: () => held.hold(),
    stop,
  };
}

async function replicasOf(master: RedisNode): Promise<number> {
  const info = await master.with((client) => client.info('replication'));
  return info.match(/^slave\d+:.*state=online/gm)?.length ?? 0;
}

async function knownTo(sentinel: RedisNode): Promise<string> {
  const fields = (await sentinel.with((client) => client.call('SENTINEL', 'MASTER', NAME))) as string[];
  const field = (name: string) => fields[fields.indexOf(name) + 1];
  return `${field('num-slaves')} ${field('num-other-sentinels')}`;
}

async function masterOf(sentinels: readonly RedisNode[], servers: readonly RedisNode[]): Promise<RedisNode> {
  for (const sentinel of sentinels) {
    const [, port] = (await sentinel.with((client) =>
      client.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME),
    )) as string[];
    const master = servers.find((server) => String(server.port) === port);
    if (master !== undefined) return master;
  }
  throw new Error('No Sentinel knows the master.');
}

/** Begin a failover. One that is still ending, and replicas that are not yet back, are waited for. */
async function failOver(sentinels: readonly RedisNode[]): Promise<void> {
  const order = async (): Promise<string> => {
    try {
      return String(await sentinels[0]?.with((client) => client.call('SENTINEL', 'FAILOVER', NAME)));
    } catch (error) {
      if (error instanceof Error && /^(INPROG|NOGOODSLAVE)/.test(error.message)) return error.message;
      throw error;
    }
  };
  await settles('the order to fail over', FAILOVER_MS, order, (answer) => answer === 'OK');
}

async function roleOf(server: RedisNode): Promise<unknown> {
  const [role] = (await server.with((client) => client.call('ROLE'))) as unknown[];
  return role;
}

/** Lines from replicas to a master; what the master sends can be held back. */
class ReplicationLine {
  readonly #server = createServer((replica) => this.#join(replica));
  readonly #sockets = new Set<Socket>();
  readonly #masterPort: number;
  #holding = false;

  constructor(masterPort: number) {
    this.#masterPort = masterPort;
  }

  static async to(masterPort: number): Promise<ReplicationLine> {
    const line = new ReplicationLine(masterPort);
    line.#server.listen(0, LOOPBACK);
    await once(line.#server, 'listening');
    return line;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('The line is closed.');
    return address.port;
  }

  /** Forward nothing more to the replicas. */
  hold(): void {
    this.#holding = true;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #join(replica: Socket): void {
    const master = connect(this.#masterPort, LOOPBACK);
    master.on('data', (bytes) => {
      if (!this.#holding) replica.write(bytes);
    });
    replica.on('data', (bytes) => void master.write(bytes));
    for (const [one, other] of [
      [master, replica],
      [replica, master],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => {
        // Its end follows, and ends the other side.
      });
      one.once('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }
}
