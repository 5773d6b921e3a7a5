/**
 * Everybody who waits for an answer to an accepted job.
 *
 * Promises: nobody is told that a job is safe before it is on disk; nobody waits for a Redis that has not answered a call
 * for `ANSWER_MS`, and nobody longer than `LONGEST_MS`: while the line moves, waiting for it is what slows callers down to
 * what Redis takes.
 */

import type { Group } from '../journal/group.ts';
import { Ticket } from './ticket.ts';

/** Milliseconds for which an answer waits for a call that Redis has not answered. */
export const ANSWER_MS = 50;
/** Milliseconds for which an answer waits for its turn while Redis answers. */
const LONGEST_MS = 500;

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
    if (this.#waiting.length > 0) this.#timer ??= setTimeout(() => this.#look(), ANSWER_MS / 2);
  }

  #look(): void {
    this.#timer = undefined;
    const olderMs = this.#clock() - LONGEST_MS;
    const hopeful = this.#hopeful();
    this.#waiting = this.#waiting.filter((ticket) => {
      if (ticket.handed) return false;
      if (hopeful && ticket.sinceMs > olderMs) return true;
      ticket.keep();
      return false;
    });
    this.#arm();
  }
}
