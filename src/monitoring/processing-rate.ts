/**
 * How fast jobs come to their end, from looks at a total that only grows.
 *
 * Promises: the rate over the last minute or so, whoever looks how often; null until two looks are ten seconds apart. A
 * total that went down, because its store was emptied, starts the count anew.
 */

interface Look {
  readonly atMs: number;
  readonly total: number;
}

const WINDOW_MS = 60_000;
const LEAST_MS = 10_000;

export class ProcessingRate {
  #looks: readonly Look[] = [];

  /** The rate, per second, now that the total is this. */
  at(atMs: number, total: number): number | null {
    const before = this.#looks.at(-1);
    if (before !== undefined && total < before.total) this.#looks = [];
    // One look from before the window stays, so that the window is always whole.
    const first = this.#looks.findLastIndex((look) => atMs - look.atMs >= WINDOW_MS);
    this.#looks = [...this.#looks.slice(Math.max(0, first)), { atMs, total }];
    const oldest = this.#looks[0];
    if (oldest === undefined || atMs - oldest.atMs < LEAST_MS) return null;
    return ((total - oldest.total) * 1000) / (atMs - oldest.atMs);
  }
}
