/**
 * TCP ports of the loopback address: find a free one, ask whether one is taken, whether something answers.
 *
 * Promises: no question takes longer than its limit. A port that was free a moment ago may be taken by the time it is
 * used; whoever uses it tries again with another.
 */

import { connect, createServer } from 'node:net';

export const LOOPBACK = '127.0.0.1';

/** A port that nothing listens on; `wished` when that one is free. */
export async function freePort(wished?: number): Promise<number> {
  if (wished !== undefined && !(await isTaken(wished))) return wished;
  const port = await listenOnce(0, LOOPBACK);
  if (port === undefined) throw new Error('The system has no free port.');
  return port;
}

/** Does anything listen on this port of `host`? */
export async function isTaken(port: number, host = LOOPBACK): Promise<boolean> {
  return (await answers(port, LOOPBACK, 500)) || (await listenOnce(port, host)) === undefined;
}

/** Does something accept a connection within `ms`? */
export function answers(port: number, host: string, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host });
    const done = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(ms, () => done(false));
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
}

/** Listen and close again; the port, or undefined when it cannot be had. */
function listenOnce(port: number, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(undefined);
      else reject(error);
    });
    server.listen({ port, host, exclusive: true }, () => {
      const address = server.address();
      const actual = typeof address === 'object' && address !== null ? address.port : undefined;
      server.close(() => resolve(actual));
    });
  });
}
