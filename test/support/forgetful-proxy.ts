/**
 * A way to PostgreSQL that loses the answer to a COMMIT when it is told to: the transaction is carried out, and whoever
 * asked for it never learns so.
 */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface ForgetfulProxy {
  /** The store's URL, through the proxy. */
  readonly url: string;
  /** Lose the next answer to a COMMIT, and the connection with it. */
  loseNextCommit(): void;
  /** Answers lost so far. */
  readonly lost: number;
  close(): Promise<void>;
}

/** How PostgreSQL says that a transaction was committed. */
const COMMITTED = Buffer.from('COMMIT\0');

export async function startForgetfulProxy(url: string): Promise<ForgetfulProxy> {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let armed = false;
  let lost = 0;
  const server = createServer((client) => {
    const store = connect(Number(target.port), target.hostname);
    const end = () => {
      client.destroy();
      store.destroy();
    };
    for (const socket of [client, store]) {
      sockets.add(socket);
      socket.on('error', end).on('close', end);
    }
    client.on('data', (bytes) => store.write(bytes));
    store.on('data', (bytes: Buffer) => {
      if (armed && bytes.includes(COMMITTED)) {
        armed = false;
        lost += 1;
        end();
      } else client.write(bytes);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const through = new URL(url);
  through.port = String((server.address() as AddressInfo).port);
  through.hostname = '127.0.0.1';
  return {
    url: through.href,
    loseNextCommit: () => {
      armed = true;
    },
    get lost() {
      return lost;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
