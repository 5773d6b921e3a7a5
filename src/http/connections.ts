/**
 * The open connections of a server, and which answers each still waits for.
 *
 * Promises: nobody takes for ever to send a body. A request that is not whole within the limit is found within another
 * second; for one that is answered as it comes (`open-streams.ts`) the limit is the time without a byte.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { streamOf } from './open-streams.ts';

/** Plain fields: a set of one, filled and emptied for every request, would cost a tenth of a small request. */
interface Connection {
  /** The response that is being sent. */
  first: ServerResponse | undefined;
  /** Those behind it, oldest first. */
  others: ServerResponse[] | undefined;
  /** The newest request, answered or not, until it is whole and answered: the only one that can still be on its way. */
  newest: IncomingMessage | undefined;
  /** The request that was on its way when somebody last looked, and since when. */
  late: IncomingMessage | undefined;
  lateSinceMs: number;
}

export class Connections {
  readonly #all = new Map<Duplex, Connection>();

  add(socket: Duplex): void {
    this.#all.set(socket, { first: undefined, others: undefined, newest: undefined, late: undefined, lateSinceMs: 0 });
  }

  /** A request has come in on its connection, and `response` will answer it. */
  take(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.#all.get(request.socket);
    if (connection === undefined) return;
    connection.newest = request;
    if (connection.first === undefined) {
      connection.first = response;
    } else {
      connection.others ??= [];
      connection.others.push(response);
    }
  }

  /** `response` was sent, or never will be. */
  release(response: ServerResponse): void {
    const connection = this.#all.get(response.req.socket);
    if (connection === undefined) return;
    if (connection.first === response) connection.first = connection.others?.shift();
    else connection.others = connection.others?.filter((other) => other !== response);
    if (connection.newest?.complete && connection.first === undefined) connection.newest = undefined;
  }

  /** Every open connection. */
  sockets(): IterableIterator<Duplex> {
    return this.#all.keys();
  }

  /** The responses that a connection waits for, oldest first. */
  waitingOn(socket: Duplex): readonly ServerResponse[] {
    const { first, others = [] } = this.#all.get(socket) ?? {};
    return first === undefined ? [] : [first, ...others];
  }

  /** Node tells only the response at the head of a closed connection; those queued behind it are told here. */
  remove(socket: Duplex): void {
    const waiting = this.waitingOn(socket);
    this.#all.delete(socket);
    for (const response of waiting) {
      if (response.socket !== null) continue;
      response.destroy();
      response.emit('close');
    }
  }

  /** The connections on which a body has been due for `limitMs`; each is told once. Ask about once a second. */
  overdue(limitMs: number): Duplex[] {
    const nowMs = performance.now();
    const found: Duplex[] = [];
    for (const [socket, connection] of this.#all) {
      const { first, others, newest } = connection;
      if (newest === undefined || newest.complete) continue;
      const last = others?.at(-1) ?? first;
      const stream = last && streamOf(last);
      if (stream !== undefined) {
        if (nowMs - (stream.waitingSinceMs ?? nowMs) >= limitMs) found.push(socket);
      } else if (connection.late !== newest) {
        connection.late = newest;
        connection.lateSinceMs = nowMs;
      } else if (nowMs - connection.lateSinceMs >= limitMs) {
        connection.lateSinceMs = Number.POSITIVE_INFINITY;
        found.push(socket);
      }
    }
    return found;
  }
}
