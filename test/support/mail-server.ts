/**
 * A real mail server in the test's own process, which answers as the test tells it.
 *
 * Promises: what it has accepted is in `mails`; `close` leaves no connection.
 */

import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

export interface TakenMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly raw: string;
}

export interface MailServer {
  readonly port: number;
  /** `smtp://…` of it. */
  readonly url: string;
  readonly mails: TakenMail[];
  /** Connections that were made so far. */
  readonly connections: number;
  /** Connections that are open. */
  readonly open: number;
  /** End every connection, as a server does with idle ones. */
  hangUp(): void;
  close(): Promise<void>;
}

/** A refusal by the server. */
export function refusal(responseCode: number, text: string): Error {
  return Object.assign(new Error(text), { responseCode });
}

export interface MailServerOptions extends SMTPServerOptions {
  /** Refuse a recipient by throwing `refusal(…)`. */
  readonly recipient?: (address: string) => void;
  /** Called when the whole mail has come, before it is answered; throws a `refusal(…)`, or waits. */
  readonly data?: (mail: TakenMail) => void | Promise<void>;
}

export async function startMailServer({ recipient, data, ...options }: MailServerOptions = {}): Promise<MailServer> {
  const mails: TakenMail[] = [];
  let connections = 0;
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    disableReverseLookup: true,
    closeTimeout: 500,
    onConnect: (_session, done) => {
      connections += 1;
      done();
    },
    onRcptTo: ({ address }, _session, done) => {
      try {
        recipient?.(address);
        done();
      } catch (error) {
        done(error as Error);
      }
    },
    onData: (stream, { envelope }, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', async () => {
        const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address;
        const mail = { from, to: envelope.rcptTo.map(({ address }) => address), raw: Buffer.concat(chunks).toString() };
        try {
          await data?.(mail);
          mails.push(mail);
          done();
        } catch (error) {
          done(error as Error);
        }
      });
    },
    ...options,
  });
  // A client that leaves in the middle is no error of the test's.
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const sockets = new Set<Socket>();
  server.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const address = server.server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    url: `smtp://127.0.0.1:${address.port}`,
    mails,
    get connections() {
      return connections;
    },
    get open() {
      return sockets.size;
    },
    hangUp: () => {
      for (const socket of sockets) socket.end();
    },
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

/** A server that does with each connection what the test writes. */
export async function startRawServer(onConnection: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    url: `smtp://127.0.0.1:${address.port}`,
    /** Connections that are open. */
    get open() {
      return sockets.size;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Says everything that a mail server says, up to where `upTo` ends the conversation. */
export function converse(socket: Socket, upTo: (line: string) => boolean): void {
  let inData = false;
  let rest = '';
  socket.write('220 test\r\n');
  socket.on('data', (chunk) => {
    rest += chunk.toString();
    for (;;) {
      const end = rest.indexOf('\r\n');
      if (end === -1) return;
      const line = rest.slice(0, end);
      rest = rest.slice(end + 2);
      if (inData && line !== '.') continue;
      if (upTo(inData ? '.' : line)) return;
      inData = line.startsWith('DATA');
      socket.write(inData ? '354 go on\r\n' : '250 fine\r\n');
    }
  });
}
