/**
 * A TCP proxy that misbehaves on demand: between the processes and their stores, and between the driver and the web.
 *
 * Promises: a conduct holds from the call on, for open connections and for new ones; going back to `pass` gives a
 * working line again: connections that have lost bytes are reset, the others go on; after `close` nothing is open.
 * Everything random is drawn from the row it was given.
 */

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Clock } from './clock.ts';
import { Lane } from './lane.ts';
import type { Random } from './seed.ts';

/** `up`: from the client to the server. */
export type Direction = 'up' | 'down';

/** How the proxy behaves. */
export type Conduct =
  | { readonly kind: 'pass' }
  /** Every byte comes late, each way. */
  | { readonly kind: 'delay'; readonly ms: number; readonly jitterMs: number }
  /** A thin line: so many bytes a second for each connection and direction. */
  | { readonly kind: 'trickle'; readonly bytesPerSecond: number }
  /** Nothing moves, and all of it arrives when the line is back: requests that were given up run late. */
  | { readonly kind: 'stall' }
  /** A black hole: connections are accepted, and whatever is sent is gone. */
  | { readonly kind: 'swallow' }
  /** Half open: what is sent in one direction is gone, the other works. */
  | { readonly kind: 'half-open'; readonly lost: Direction }
  /** Connections are reset, open ones and new ones. */
  | { readonly kind: 'reset' }
  /** Nobody listens; open connections are reset. */
  | { readonly kind: 'refuse' }
  /** The answer is lost after the command ran: this share of answers is thrown away and the connection reset. */
  | { readonly kind: 'eat'; readonly share: number }
  /** This share of the client's sendings is cut at a random byte and the connection reset. */
  | { readonly kind: 'cut'; readonly share: number };

export const PASS: Conduct = { kind: 'pass' };

export interface ProxyOptions {
  /** Port of the server behind, on loopback. */
  readonly target: number;
  readonly clock: Clock;
  readonly random: Random;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  readonly lanes: Readonly<Record<Direction, Lane>>;
}

/** Something that goes off when so many more bytes have come from one side. */
interface Trap {
  readonly direction: Direction;
  bytesLeft: number;
  readonly spring: () => void;
}

export class TcpProxy {
  readonly #target: number;
  readonly #clock: Clock;
  /** What it draws from; another row for each fault, so that a fault can be replayed alone. */
  random: Random;
  readonly #links = new Set<Link>();
  readonly #server: Server;
  #conduct: Conduct = PASS;
  #trap: Trap | undefined;
  #port = 0;
  #unticked: (() => void) | undefined;
  /** What has come from both sides, in bytes, and what was done to connections. */
  readonly did = { bytes: 0, accepted: 0, eaten: 0, cut: 0, reset: 0 };

  constructor({ target, clock, random }: ProxyOptions) {
    this.#target = target;
    this.#clock = clock;
    this.random = random;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
  }

  /** The port to connect to; the same for the proxy's whole life. */
  get port(): number {
    return this.#port;
  }

  get conduct(): Conduct {
    return this.#conduct;
  }

  async start(): Promise<void> {
    await this.#listen();
    this.#unticked = this.#clock.onTick(() => this.#flush());
  }

  /** Behave like this from now on. */
  async behave(conduct: Conduct): Promise<void> {
    this.#conduct = conduct;
    for (const link of this.#links) {
      const torn = link.lanes.up.torn || link.lanes.down.torn;
      if (torn || conduct.kind === 'reset' || conduct.kind === 'refuse') this.#reset(link);
    }
    if (conduct.kind === 'refuse') await this.#hangUp();
    else if (!this.#server.listening) await this.#listen();
    this.#flush();
  }

  /** Reset every connection that is open. */
  resetAll(): void {
    for (const link of this.#links) this.#reset(link);
  }

  /**
   * Call `spring` when `bytes` more bytes have come in this direction and have been passed on. The rest of what came
   * with the last of them is thrown away, and its connection is reset. Returns what takes the trap away.
   */
  setTrap(direction: Direction, bytes: number, spring: () => void): () => void {
    const trap: Trap = { direction, bytesLeft: bytes, spring };
    this.#trap = trap;
    return () => {
      if (this.#trap === trap) this.#trap = undefined;
    };
  }

  /** Close the listener and every connection. */
  async close(): Promise<void> {
    this.#unticked?.();
    this.resetAll();
    if (this.#server.listening) await this.#hangUp();
  }

  async #listen(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('The proxy has no port.');
    this.#port = address.port;
  }

  async #hangUp(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #accept(client: Socket): void {
    this.did.accepted += 1;
    const server = connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const link: Link = {
      client,
      server,
      lanes: { up: new Lane(client, server), down: new Lane(server, client) },
    };
    this.#links.add(link);
    client.on('data', (bytes: Buffer) => this.#carry(link, 'up', bytes));
    server.on('data', (bytes: Buffer) => this.#carry(link, 'down', bytes));
    client.on('end', () => this.#end(link, 'up'));
    server.on('end', () => this.#end(link, 'down'));
    // A side that breaks off takes the other with it, as a reset does on a real line.
    for (const side of [client, server]) {
      side.on('error', () => this.#broken(link));
      side.on('close', () => this.#closed(link));
    }
    if (this.#conduct.kind === 'reset') this.#reset(link);
  }

  #carry(link: Link, direction: Direction, bytes: Buffer): void {
    const conduct = this.#conduct;
    const lane = link.lanes[direction];
    this.did.bytes += bytes.length;
    if (lane.torn || this.#isLost(direction)) {
      lane.torn = true;
    } else if (this.#trap?.direction === direction && bytes.length >= this.#trap.bytesLeft) {
      this.#spring(link, this.#trap, bytes);
    } else if (conduct.kind === 'eat' && direction === 'down' && this.random.chance(conduct.share)) {
      this.did.eaten += 1;
      this.#reset(link);
    } else if (conduct.kind === 'cut' && direction === 'up' && this.random.chance(conduct.share)) {
      this.did.cut += 1;
      this.#cut(link, direction, bytes.subarray(0, this.random.whole(0, bytes.length - 1)));
    } else {
      if (this.#trap?.direction === direction) this.#trap.bytesLeft -= bytes.length;
      this.#pass(lane, bytes);
    }
  }

  #pass(lane: Lane, bytes: Buffer): void {
    const conduct = this.#conduct;
    const nowMs = this.#clock.nowMs;
    const lateMs = conduct.kind === 'delay' ? conduct.ms + this.random.next() * conduct.jitterMs : 0;
    lane.put(bytes, nowMs + lateMs);
    if (conduct.kind !== 'stall' && conduct.kind !== 'trickle') lane.flush(nowMs, Number.POSITIVE_INFINITY);
  }

  #isLost(direction: Direction): boolean {
    const { kind } = this.#conduct;
    return kind === 'swallow' || (this.#conduct.kind === 'half-open' && this.#conduct.lost === direction);
  }

  #spring(link: Link, trap: Trap, bytes: Buffer): void {
    this.#trap = undefined;
    this.#cut(link, trap.direction, bytes.subarray(0, trap.bytesLeft), trap.spring);
  }

  /** Pass on these last bytes, and reset the connection. */
  #cut(link: Link, direction: Direction, last: Buffer, passed: () => void = () => {}): void {
    link.lanes[direction].torn = true;
    const to = direction === 'up' ? link.server : link.client;
    to.write(last, () => {
      passed();
      this.#reset(link);
    });
  }

  #end(link: Link, direction: Direction): void {
    // A goodbye is lost like any byte.
    if (this.#isLost(direction)) link.lanes[direction].torn = true;
    else link.lanes[direction].end();
    this.#flushLink(link);
  }

  #flush(): void {
    for (const link of this.#links) this.#flushLink(link);
  }

  #flushLink({ lanes }: Link): void {
    const { kind } = this.#conduct;
    if (kind === 'stall' || kind === 'swallow') return;
    const conduct = this.#conduct;
    const budget =
      conduct.kind === 'trickle' ? Math.max(1, Math.round(conduct.bytesPerSecond / 200)) : Number.POSITIVE_INFINITY;
    for (const direction of ['up', 'down'] as const) {
      if (!lanes[direction].torn) lanes[direction].flush(this.#clock.nowMs, budget);
    }
  }

  #reset(link: Link): void {
    if (!this.#links.delete(link)) return;
    this.did.reset += 1;
    link.client.resetAndDestroy();
    link.server.resetAndDestroy();
  }

  #broken(link: Link): void {
    // In a black hole nobody hears that the other has gone.
    if (this.#conduct.kind === 'swallow') {
      link.lanes.up.torn = true;
      link.lanes.down.torn = true;
    } else {
      this.#reset(link);
    }
  }

  #closed(link: Link): void {
    if (link.client.destroyed && link.server.destroyed) this.#links.delete(link);
    else if (this.#conduct.kind !== 'swallow' && (link.client.errored || link.server.errored)) this.#reset(link);
  }
}
