/**
 * Random numbers that a seed gives again: the same seed and name give the same numbers, on every machine.
 *
 * Promises: streams of different names do not follow each other, so that one more draw in one of them (a request that
 * is followed) leaves the others (which request comes next) as they were.
 */

/** One stream of numbers: mulberry32, which passes gjrand and is three lines long. */
export class Random {
  #state: number;

  /** `seed`: a whole number from 0 to 4294967295. */
  constructor(seed: number, name: string) {
    let state = (seed ^ 0x9e3779b9) >>> 0;
    for (const character of name) state = Math.imul(state ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
    this.#state = state;
    // The first numbers of near seeds are alike.
    for (let i = 0; i < 8; i++) this.next();
  }

  /** From 0, included, to 1, not included. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }
}
