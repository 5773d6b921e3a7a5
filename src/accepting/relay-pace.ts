/**
 * How much the relay hands over, and when: carefully after an outage, more while Redis answers quickly.
 *
 * Doubling from a small start is slow start as TCP does it (RFC 5681); a slow answer halves.
 */

/** Jobs of the first batch after an outage, and of the largest. */
const LEAST = 25;
const MOST = 200;
/** Milliseconds for a batch below which the next may be larger, and above which it must be smaller. */
const QUICK_MS = 50;
const SLOW_MS = 250;

/** Calls under way: two, so that batches gather while Redis works; more while the line is long. */
const MOST_IN_FLIGHT = 2;
const MOST_IN_FLIGHT_WHEN_LONG = 6;
const LONG = 400;
/** Jobs of a turn of the event loop up to which it is a quiet one. */
const FEW = 2;
/** Jobs, at least, that are worth a batch before a busy turn is over. */
const LEAST_EARLY = 24;

export class RelayPace {
  #most = MOST;
  #ofTurn = 0;
  #ofTurnBefore = 0;

  /** Jobs that the next batch may have. */
  get most(): number {
    return this.#most;
  }

  /** Has Redis refused, or been slow, a moment ago? */
  get isCareful(): boolean {
    return this.#most < MOST;
  }

  /** Calls that may be under way while `held` jobs are next; `late`: some of them have waited for Redis to come back. */
  mostInFlight(held: number, late: boolean): number {
    // Late entries are looked up in the ledger first: a second batch would overtake them.
    // After a refusal one at a time: the second must not pass where the first did not.
    if (late || this.isCareful) return 1;
    return held > LONG ? MOST_IN_FLIGHT_WHEN_LONG : MOST_IN_FLIGHT;
  }

  /**
   * Jobs that are worth a batch before the turn is over. When little comes, the first goes at once. A busy turn takes
   * milliseconds in which Redis could work; a quarter of what the one before brought is no waste of calls.
   */
  get early(): number {
    const quiet = this.#ofTurn <= 1 && this.#ofTurnBefore <= FEW;
    return quiet ? 1 : Math.max(LEAST_EARLY, this.#ofTurnBefore / 4);
  }

  /** A job was accepted. */
  accepted(): void {
    this.#ofTurn += 1;
  }

  /** The turn of the event loop is over. */
  turned(): void {
    this.#ofTurnBefore = this.#ofTurn;
    this.#ofTurn = 0;
  }

  /** A batch was taken after `ms`. */
  took(ms: number): void {
    if (ms < QUICK_MS) this.#most = Math.min(MOST, this.#most * 2);
    else if (ms > SLOW_MS) this.#most = Math.max(LEAST, Math.floor(this.#most / 2));
  }

  /** Redis was away, or refused. */
  failed(): void {
    this.#most = LEAST;
  }
}
