/**
 * Everybody who waits for an answer to an accepted job.
 *
 * Promises: nobody is told that a job is safe before it is on disk; nobody waits for Redis longer than `ANSWER_MS` after
 * that, and not at all while Redis is known to be slow or away.
 */

import type { Group } from '../journal/group.ts';
import { Ticket } from './ticket.ts';

/** Milliseconds for which an answer waits for Redis, so that the job can be read back at once. */
export const ANSWER_MS = 50;

export class Tickets {
  readonly #clock: () => number;
  /** Is it worth waiting for Redis just now? */
  readonly #hopeful: () => boolean;
  /** On disk, and not in their queue yet; oldest first. */
  #waiting: Ticket[] = [];
  #group: Group | undefined;
  #ofGroup: Ticket[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor({ clock, hopeful }: { clock: () => number; hopeful: () => boolean }) {
    this.#clock = clock;
    this.#hopeful = hopeful;
  }

  /** A ticket for an entry of this group. `failed` is told when the group did not reach the disk. */
  issue(group: Group, failed: () => void): Ticket {
    const ticket = new Ticket(this.#clock());
    if (group !== this.#group) {
      const tickets: Ticket[] = [];
      this.#group = group;
      this.#ofGroup = tickets;
      group.synced.then(
        () => this.#synced(tickets),
        (error: unknown) => {
          for (const each of tickets) each.fail(error);
          failed();
        },
      );
    }
    this.#ofGroup.push(ticket);
    return ticket;
  }

  /** Nobody waits for Redis any longer. */
  release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const ticket of waiting) ticket.keep();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.release();
  }

  #synced(tickets: readonly Ticket[]): void {
    const hopeful = this.#hopeful();
    for (const ticket of tickets) {
      ticket.sync();
      if (ticket.handed) continue;
      if (hopeful) this.#waiting.push(ticket);
      else ticket.keep();
    }
    this.#arm();
  }

  #arm(): void {
    const oldest = this.#waiting[0];
    if (oldest === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#expire(), Math.max(1, oldest.sinceMs + ANSWER_MS - this.#clock()));
  }

  #expire(): void {
    this.#timer = undefined;
    const nowMs = this.#clock();
    const late = this.#waiting.findIndex((ticket) => !ticket.handed && ticket.sinceMs + ANSWER_MS > nowMs);
    for (const ticket of this.#waiting.splice(0, late === -1 ? this.#waiting.length : late)) ticket.keep();
    this.#arm();
  }
}
