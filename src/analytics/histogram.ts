/**
 * Durations counted into fixed buckets, so that the counts of any processes and days can be added and still give
 * percentiles.
 *
 * Promises: pure; a percentile is off by at most 10 % of the true one, or by 1 ms where that is more (`ERROR_SHARE`).
 * Bucket 0 holds what is under 1 ms, bucket k what is from 1.1^(k-1) up to 1.1^k ms; the last one holds everything
 * above seven days. The buckets are stored by their number: they never change.
 */

/** By how much of the true value a percentile may be off. */
export const ERROR_SHARE = 0.1;

/** Longest duration that is told from longer ones: seven days in milliseconds. */
export const LONGEST_MS = 7 * 86_400_000;

/** Counts by bucket; what is beyond the end of the list is 0. */
export type Histogram = readonly number[];

/** Upper bounds of the buckets in milliseconds. */
const BOUNDS = boundsUpTo(LONGEST_MS);

function boundsUpTo(longestMs: number): number[] {
  const bounds = [1];
  for (let bound = 1; bound < longestMs; ) {
    bound *= 1 + ERROR_SHARE;
    bounds.push(bound);
  }
  return bounds;
}

/** How many buckets there are. */
export const BUCKETS = BOUNDS.length;

/** The number of the bucket that a duration belongs to. Whatever is no positive number belongs to the first. */
export function bucketOf(ms: number): number {
  let low = 0;
  let high = BOUNDS.length - 1;
  if (!(ms >= 1)) return 0;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ms < (BOUNDS[middle] ?? 0)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Count one more duration, in place. */
export function addTo(counts: number[], ms: number): void {
  const bucket = bucketOf(ms);
  while (counts.length <= bucket) counts.push(0);
  counts[bucket] = (counts[bucket] ?? 0) + 1;
}

/** What several histograms hold together. */
export function sumOf(histograms: readonly Histogram[]): number[] {
  const length = Math.max(0, ...histograms.map((each) => each.length));
  return Array.from({ length }, (_, bucket) => histograms.reduce((sum, each) => sum + (each[bucket] ?? 0), 0));
}

/**
 * The smallest duration that `share` (0–1) of all are not above, in milliseconds; null when nothing was counted. Within
 * its bucket it is interpolated, as if the durations lay evenly there.
 */
export function percentile(histogram: Histogram, share: number): number | null {
  const total = histogram.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  const rank = Math.max(1, Math.ceil(share * total));
  let before = 0;
  for (const [bucket, count] of histogram.entries()) {
    if (before + count >= rank) {
      const from = bucket === 0 ? 0 : (BOUNDS[bucket - 1] ?? LONGEST_MS);
      const to = BOUNDS[bucket] ?? LONGEST_MS;
      return from + ((to - from) * (rank - before - 0.5)) / count;
    }
    before += count;
  }
  return LONGEST_MS;
}
