/**
 * What is remembered of all edits and ratings of a writer, and the summary that is read from it.
 *
 * Promises: the sums are a function of the SET of edits and ratings: in any order, in any batches, they are the same
 * (within 1e-9 relative; in practice to the last bit or two), for dates from 1970 to 2200 and beyond. Nothing here
 * mutates its arguments. Sums are plain JSON, about 11 KB whatever the number of edits. Formulas: docs/learning.md.
 */

import { compact, eachFeature, FEATURES, type FeatureName } from './features.ts';
import { FREQUENT_WORDS } from './frequent-words.ts';
import { REFERENCE_FREQUENCIES } from './reference-frequencies.ts';
import type { StyleDeltas, StyleMeasure } from './style.ts';
import { REFERENCE_PAIRS, TAG_PAIRS } from './tag-pairs.ts';
import {
  amountOf,
  type Moments,
  meanAndSpread,
  NO_MOMENTS,
  observe,
  plus,
  type Total,
  weightAt,
  ZERO,
} from './totals.ts';

/** Sums over rated texts of one side: liked, or disliked. */
interface RatedSums {
  readonly count: number;
  readonly weight: Total;
  readonly features: Readonly<Record<FeatureName, Total>>;
}

/** Everything that is remembered of a writer's edits and ratings. */
export interface Sums {
  /** Edits added, and those of them that hold words. */
  readonly edits: number;
  readonly worded: number;
  /** Sum of age weights; of age weights times evidence; of the squares of those. */
  readonly weight: Total;
  readonly evidence: Total;
  readonly evidenceSquares: Total;
  /** Moments of each feature about its typical value. */
  readonly features: Readonly<Record<FeatureName, Moments>>;
  /** Weighted relative frequencies of `FREQUENT_WORDS`. */
  readonly words: readonly number[];
  /** Weighted relative frequencies of `TAG_PAIRS`. */
  readonly pairs: readonly number[];
  readonly liked: RatedSums;
  readonly disliked: RatedSums;
}

/** What the sums say about a writer. */
export interface Summary {
  /** Edits that were learned. */
  readonly edits: number;
  /** Ratings other than 3 that were learned. */
  readonly ratings: number;
  /** Effective number of edits, after age and length: never more than `edits`. */
  readonly evidence: number;
  /** Mean and standard deviation of each feature in its unit, and the edits behind them. */
  readonly features: Readonly<Record<FeatureName, { mean: number; spread: number; count: number }>>;
  /** Mean relative frequency (0–1) of each of `FREQUENT_WORDS`. */
  readonly words: { readonly mean: readonly number[] };
  /** Mean relative frequency (0–1) of each of `TAG_PAIRS`. */
  readonly pairs: { readonly mean: readonly number[] };
  /** How much each feature counts in matching, 0.25–4; 1 without ratings. */
  readonly weights: Readonly<Record<FeatureName, number>>;
}

const NO_RATINGS: RatedSums = { count: 0, weight: ZERO, features: eachFeature(() => ZERO) };

/** The sums of no edit. */
export const EMPTY_SUMS: Sums = {
  edits: 0,
  worded: 0,
  weight: ZERO,
  evidence: ZERO,
  evidenceSquares: ZERO,
  features: eachFeature(() => NO_MOMENTS),
  words: FREQUENT_WORDS.map(() => 0),
  pairs: TAG_PAIRS.map(() => 0),
  liked: NO_RATINGS,
  disliked: NO_RATINGS,
};

/** Words from which on a text is full evidence; a shorter one counts in proportion. */
const FULL_EVIDENCE_WORDS = 50;

function evidenceOf(wordCount: number): number {
  return Math.min(1, wordCount / FULL_EVIDENCE_WORDS);
}

/** The sums with one more edit. */
export function addEdit(
  sums: Sums,
  deltas: Pick<StyleDeltas, 'after' | 'words' | 'pairs' | 'wordCount'>,
  savedAt: Date,
): Sums {
  const weight = weightAt(savedAt);
  const evidence = weight * evidenceOf(deltas.wordCount);
  return {
    ...sums,
    edits: sums.edits + 1,
    worded: sums.worded + (deltas.wordCount > 0 ? 1 : 0),
    weight: plus(sums.weight, weight),
    evidence: plus(sums.evidence, evidence),
    evidenceSquares: plus(sums.evidenceSquares, evidence * evidence),
    features: eachFeature(({ name, typical }) => observe(sums.features[name], deltas.after[name] - typical, evidence)),
    words: sums.words.map((sum, i) => sum + evidence * (deltas.words[i] ?? 0)),
    pairs: sums.pairs.map((sum, i) => sum + evidence * (deltas.pairs[i] ?? 0)),
  };
}

/** The sums with one more rating (1–5) of a generated text; 3 says nothing. */
export function addFeedback(
  sums: Sums,
  measure: Pick<StyleMeasure, 'features' | 'wordCount'>,
  rating: number,
  at: Date,
): Sums {
  if (!(rating >= 1 && rating <= 5)) throw new RangeError('A rating is a number from 1 to 5.');
  if (rating === 3) return sums;
  const side = rating > 3 ? 'liked' : 'disliked';
  const weight = (weightAt(at) * evidenceOf(measure.wordCount) * Math.abs(rating - 3)) / 2;
  const { count, weight: before, features } = sums[side];
  return {
    ...sums,
    [side]: {
      count: count + 1,
      weight: plus(before, weight),
      features: eachFeature(({ name, typical }) => plus(features[name], weight * (measure.features[name] - typical))),
    },
  };
}

/** Read the sums: normalise them to means and spreads. */
export function summarise(sums: Sums): Summary {
  const total = amountOf(sums.evidence);
  const features = eachFeature(({ name, typical, scale }) => {
    if (total <= 0) return { mean: typical, spread: scale, count: 0 };
    const { mean, spread } = meanAndSpread(sums.features[name], total);
    return { mean: compact(typical + mean), spread: compact(spread), count: sums.worded };
  });
  return {
    edits: sums.edits,
    ratings: sums.liked.count + sums.disliked.count,
    evidence: compact(effectiveEdits(sums)),
    features,
    words: { mean: total <= 0 ? REFERENCE_FREQUENCIES : sums.words.map((sum) => compact(sum / total)) },
    pairs: { mean: total <= 0 ? REFERENCE_PAIRS : sums.pairs.map((sum) => compact(sum / total)) },
    weights: featureWeights(sums, features),
  };
}

/** Effective sample size after Kish (1965), lessened where edits were too short to tell much. */
function effectiveEdits(sums: Sums): number {
  const evidence = amountOf(sums.evidence);
  if (evidence <= 0) return 0;
  return (evidence / amountOf(sums.evidenceSquares)) * evidence * (evidence / amountOf(sums.weight));
}

/** How strongly ratings move a weight, and how many ratings it takes to go half of the way. */
const RATING_STRENGTH = 1;
const RATINGS_HALF_WAY = 3;

/**
 * A feature counts more when disliked texts were further from the writer's mean in it than liked ones, and less when
 * liked texts were further. Distances are in spreads, a side without ratings has distance 0.
 */
function featureWeights({ liked, disliked }: Sums, features: Summary['features']): Record<FeatureName, number> {
  const count = liked.count + disliked.count;
  const strength = (RATING_STRENGTH * count) / (count + RATINGS_HALF_WAY);
  return eachFeature(({ name, typical, within }) => {
    const { mean, spread } = features[name];
    const distance = (side: RatedSums) => {
      const weight = amountOf(side.weight);
      return weight <= 0
        ? 0
        : Math.abs(typical + amountOf(side.features[name]) / weight - mean) / Math.max(spread, within);
    };
    return compact(Math.min(4, Math.max(0.25, 1 + strength * (distance(disliked) - distance(liked)))));
  });
}

/** The largest relative difference between two sums, over all their numbers: 0 when they are the same. */
export function differenceOf(a: Sums, b: Sums): number {
  const [left, right] = [numbersOf(a), numbersOf(b)];
  const differences = left.map(([value, size], i) => {
    const [other, otherSize] = right[i] ?? [0, 0];
    return value === other ? 0 : Math.abs(value - other) / Math.max(size, otherSize);
  });
  return Math.max(0, ...differences);
}

/** Each sum with its size: a first moment, which can cancel to 0, is sized by its second. */
function numbersOf(sums: Sums): [value: number, size: number][] {
  const sized = (value: number): [number, number] => [value, Math.abs(value)];
  const sides = [sums.liked, sums.disliked].flatMap((side) => [
    sized(side.count),
    sized(amountOf(side.weight)),
    ...FEATURES.map(({ name }): [number, number] => {
      const amount = amountOf(side.features[name]);
      return [amount, Math.max(Math.abs(amount), amountOf(side.weight))];
    }),
  ]);
  // In the table's order: what was stored as jsonb comes back with its keys in another one.
  const moments = FEATURES.flatMap(({ name }): [number, number][] => {
    const first = amountOf(sums.features[name].first);
    const second = amountOf(sums.features[name].second);
    return [[first, Math.max(Math.abs(first), Math.sqrt(second * amountOf(sums.evidence)))], sized(second)];
  });
  const counts = [
    sums.edits,
    sums.worded,
    amountOf(sums.weight),
    amountOf(sums.evidence),
    amountOf(sums.evidenceSquares),
  ];
  return [...counts.map(sized), ...moments, ...sums.words.map(sized), ...sums.pairs.map(sized), ...sides];
}
