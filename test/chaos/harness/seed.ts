/**
 * Everything random in a chaos run, from one number.
 *
 * Promises: the same seed and name give the same row of numbers, whatever else was drawn; what one part draws never
 * moves another part's row, so that a run can be replayed although its processes are never quite as fast again.
 */

import { createHash, randomInt } from 'node:crypto';

/** A row of random numbers that belongs to one name. */
export interface Random {
  /** 0 up to, but not, 1. */
  next(): number;
  /** A whole number, both ends included. */
  whole(least: number, most: number): number;
  /** True with this probability. */
  chance(share: number): boolean;
  /** One of these; the list must not be empty. */
  pick<T>(list: readonly T[]): T;
  /** One of these by weight; weights are positive. */
  weighted<T>(rows: readonly (readonly [T, number])[]): T;
}

export class Seed {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }

  /** The seed that `text` names, or a new one when it is empty. Throws when it is no whole number. */
  static from(text: string | undefined): Seed {
    if (text === undefined || text === '') return new Seed(randomInt(2 ** 31));
    if (!/^\d{1,15}$/.test(text)) throw new Error(`A seed is a whole number, not "${text}".`);
    return new Seed(Number(text));
  }

  /** The row of this name, from its beginning. */
  row(name: string): Random {
    return rowOf(this.#hash(name).readUInt32LE(0));
  }

  /** Another seed, for one part of the run. */
  part(name: string): Seed {
    return new Seed(this.#hash(name).readUIntLE(0, 6));
  }

  #hash(name: string): Buffer {
    return createHash('sha256').update(`${this.value}:${name}`).digest();
  }
}

/** The generator "mulberry32": 32 bits of state, good enough to choose moments and bytes. */
function rowOf(start: number): Random {
  let state = start >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const whole = (least: number, most: number) => least + Math.floor(next() * (most - least + 1));
  return {
    next,
    whole,
    chance: (share) => next() < share,
    pick: (list) => {
      const picked = list[whole(0, list.length - 1)];
      if (picked === undefined) throw new Error('There is nothing to pick from.');
      return picked;
    },
    weighted: (rows) => {
      let left = next() * rows.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [value, weight] of rows) {
        left -= weight;
        if (left < 0) return value;
      }
      const last = rows.at(-1);
      if (last === undefined) throw new Error('There is nothing to pick from.');
      return last[0];
    },
  };
}
