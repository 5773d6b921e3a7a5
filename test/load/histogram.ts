/**
 * A histogram of times with logarithmic buckets, as HdrHistogram has them.
 *
 * Promises: every percentile is within 1 % of the exact one (or within half a microsecond, the unit), `min`, `max` and
 * `mean` are exact to the microsecond, and memory is 14 KB however many times are recorded. Times above 71 minutes
 * count as 71 minutes.
 */

/** Buckets in each doubling: a bucket is at most 1/64 of its values wide, so its middle is within 1/128 of each. */
const PER_OCTAVE = 64;
/** Below this many microseconds each value has a bucket of its own. */
const EXACT = PER_OCTAVE * 2;
const EXACT_BITS = 7;
const MOST_US = 2 ** 32 - 1;
const BUCKETS = EXACT + (32 - EXACT_BITS) * PER_OCTAVE;

/** One bucket that holds something: `fromMs` included, `toMs` not. */
export interface Bar {
  readonly fromMs: number;
  readonly toMs: number;
  readonly count: number;
}

/** What is told of a histogram, in milliseconds. */
export interface Percentiles {
  readonly count: number;
  readonly mean: number;
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export class Histogram {
  // Doubles count exactly to 2^53.
  readonly #counts = new Float64Array(BUCKETS);
  #count = 0;
  #sumUs = 0;
  #minUs = Number.POSITIVE_INFINITY;
  #maxUs = 0;

  /** How many times were recorded. */
  get count(): number {
    return this.#count;
  }

  /** Record a time in milliseconds; what is below zero counts as zero. Throws when it is not a number. */
  record(ms: number): void {
    if (Number.isNaN(ms)) throw new TypeError('A time must be a number.');
    const us = Math.min(MOST_US, Math.max(0, Math.round(ms * 1000)));
    const index = indexOf(us);
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#count += 1;
    this.#sumUs += us;
    if (us < this.#minUs) this.#minUs = us;
    if (us > this.#maxUs) this.#maxUs = us;
  }

  /** The time in milliseconds that `share` (0–1) of all do not pass, by nearest rank; undefined when there is none. */
  percentile(share: number): number | undefined {
    if (this.#count === 0) return undefined;
    const rank = Math.max(1, Math.ceil(share * this.#count));
    if (rank >= this.#count) return this.#maxUs / 1000;
    let seen = 0;
    for (let index = 0; index < BUCKETS; index++) {
      seen += this.#counts[index] ?? 0;
      if (seen >= rank) {
        const { fromUs, toUs } = edgesOf(index);
        const middle = (fromUs + toUs - 1) / 2;
        return Math.min(this.#maxUs, Math.max(this.#minUs, middle)) / 1000;
      }
    }
    return this.#maxUs / 1000;
  }

  /** The usual percentiles; undefined when nothing was recorded. */
  get percentiles(): Percentiles | undefined {
    if (this.#count === 0) return undefined;
    const at = (share: number) => this.percentile(share) ?? 0;
    return {
      count: this.#count,
      mean: this.#sumUs / this.#count / 1000,
      min: this.#minUs / 1000,
      p50: at(0.5),
      p90: at(0.9),
      p99: at(0.99),
      p999: at(0.999),
      max: this.#maxUs / 1000,
    };
  }

  /** Every bucket that holds something, shortest times first. */
  get bars(): Bar[] {
    const bars: Bar[] = [];
    for (const [index, count] of this.#counts.entries()) {
      if (count === 0) continue;
      const { fromUs, toUs } = edgesOf(index);
      bars.push({ fromMs: fromUs / 1000, toMs: toUs / 1000, count });
    }
    return bars;
  }

  /** Forget everything. */
  clear(): void {
    this.#counts.fill(0);
    this.#count = 0;
    this.#sumUs = 0;
    this.#minUs = Number.POSITIVE_INFINITY;
    this.#maxUs = 0;
  }
}

function indexOf(us: number): number {
  if (us < EXACT) return us;
  // Position of the leading bit; at least EXACT_BITS.
  const exponent = 31 - Math.clz32(us);
  const octave = exponent - EXACT_BITS;
  const within = (us >>> (octave + 1)) - PER_OCTAVE;
  return EXACT + octave * PER_OCTAVE + within;
}

/** In microseconds; `toUs` is the first value of the next bucket. */
function edgesOf(index: number): { fromUs: number; toUs: number } {
  if (index < EXACT) return { fromUs: index, toUs: index + 1 };
  const octave = Math.floor((index - EXACT) / PER_OCTAVE);
  const within = (index - EXACT) % PER_OCTAVE;
  const width = 2 ** (octave + 1);
  const fromUs = (PER_OCTAVE + within) * width;
  return { fromUs, toUs: fromUs + width };
}
