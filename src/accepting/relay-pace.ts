/**
 * How much the relay hands over at once: carefully after an outage, more while Redis answers quickly.
 *
 * Doubling from a small start is slow start as TCP does it (RFC 5681); a slow answer halves.
 */

/** Jobs of the first batch after an outage, and of the largest. */
const LEAST = 25;
const MOST = 200;
/** Milliseconds for a batch below which the next may be larger, and above which it must be smaller. */
const QUICK_MS = 50;
const SLOW_MS = 250;

export class RelayPace {
  #most = MOST;

  /** Jobs that the next batch may have. */
  get most(): number {
    return this.#most;
  }

  /** Has Redis refused, or been slow, a moment ago? */
  get isCareful(): boolean {
    return this.#most < MOST;
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
