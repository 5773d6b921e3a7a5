/**
 * How much a text sounds like a writer.
 *
 * Promises: 0.5 for a writer of whom nothing was learned and near it for few edits or a short text; higher the more
 * likely the text is under the writer's profile than under ordinary English, lower the less; deterministic. It compares
 * common words and pairs of parts of speech as multinomials (after Mosteller & Wallace 1964) and style features as normal distributions with bounded
 * influence. Formulas, and how it does beside Burrows' Delta: docs/learning.md.
 */

import { compact, FEATURES, type Feature, type FeatureName } from './features.ts';
import { REFERENCE_FREQUENCIES } from './reference-frequencies.ts';
import type { StyleMeasure } from './style.ts';
import type { Summary } from './sums.ts';
import { REFERENCE_PAIRS } from './tag-pairs.ts';

/** A feature that speaks for or against the writer. */
export interface MatchedFeature {
  readonly feature: FeatureName;
  readonly label: string;
  /** The writer's mean, in the feature's unit. */
  readonly writer: number;
  /** The text's value, in the feature's unit. */
  readonly text: number;
}

/** How much a text sounds like a writer, and the features that say so. */
export interface Match {
  /** 0 (not at all) – 1 (very much); 0.5 when there is nothing to tell by. */
  readonly score: number;
  /** Features in which the text is like the writer and unlike ordinary English, strongest first, at most five. */
  readonly agree: readonly MatchedFeature[];
  /** Features in which the text is unlike the writer, strongest first, at most five. */
  readonly disagree: readonly MatchedFeature[];
}

/** Features that are listed on either side. */
const LISTED = 5;

/** Evidence (nats) that takes a score half of the way from 0.5 to 1. */
const HALF_WAY = 10;

/** Least evidence (nats) of a feature that is worth a line. */
const TELLING = 0.25;

/** Least distance of a writer from ordinary English, in ordinary spreads, for agreeing with them to be telling. */
const PECULIAR = 0.35;

/** Compare a text with a writer. */
export function matchStyle(summary: Summary, measure: StyleMeasure): Match {
  if (summary.edits === 0 || measure.wordCount === 0) return { score: 0.5, agree: [], disagree: [] };
  const rows = FEATURES.map((feature) => ({ feature, evidence: featureEvidence(feature, summary, measure) }));
  const evidence = frequencyEvidence(summary, measure) + rows.reduce((sum, row) => sum + row.evidence, 0);
  const line = ({ feature: { name, label } }: (typeof rows)[number]): MatchedFeature => ({
    feature: name,
    label,
    writer: summary.features[name].mean,
    text: measure.features[name],
  });
  const strongest = rows.filter((row) => Math.abs(row.evidence) >= TELLING);
  const agreeing = strongest.filter((row) => row.evidence > 0 && isPeculiar(row.feature, summary));
  return {
    score: compact(0.5 + (0.5 * evidence) / (Math.abs(evidence) + HALF_WAY)),
    agree: agreeing
      .sort((a, b) => b.evidence - a.evidence)
      .slice(0, LISTED)
      .map(line),
    disagree: strongest
      .filter((row) => row.evidence < 0)
      .sort((a, b) => a.evidence - b.evidence)
      .slice(0, LISTED)
      .map(line),
  };
}

function isPeculiar({ name, typical, scale }: Feature, { features }: Summary): boolean {
  return Math.abs(features[name].mean - typical) >= PECULIAR * scale;
}

/** Edits' worth of ordinary English that is mixed into a writer's frequencies of words, and of tag pairs. */
const WORD_PRIOR = 2;
const PAIR_PRIOR = 4;

/** Weight of what tag pairs say, because they say in part what words say. */
const PAIR_WEIGHT = 0.7;

function frequencyEvidence({ evidence, words, pairs }: Summary, text: StyleMeasure): number {
  const ofWords = multinomial(words.mean, REFERENCE_FREQUENCIES, text.words, evidence / (evidence + WORD_PRIOR));
  const ofPairs = multinomial(pairs.mean, REFERENCE_PAIRS, text.pairs, evidence / (evidence + PAIR_PRIOR));
  return text.wordCount * (ofWords + PAIR_WEIGHT * ofPairs);
}

/**
 * How much likelier (nats per word) a text's frequencies are under the writer's than under ordinary ones: those of the
 * list, and all others as one. `share` is how much of the writer's frequencies is the writer.
 */
function multinomial(
  mean: readonly number[],
  reference: readonly number[],
  text: readonly number[],
  share: number,
): number {
  let sum = 0;
  let [rest, writerRest, ordinaryRest] = [1, 1, 1];
  for (const [i, ordinary] of reference.entries()) {
    const writer = share * (mean[i] ?? ordinary) + (1 - share) * ordinary;
    const found = text[i] ?? 0;
    sum += found * Math.log(writer / ordinary);
    rest -= found;
    writerRest -= writer;
    ordinaryRest -= ordinary;
  }
  return sum + Math.max(0, rest) * Math.log(Math.max(1e-3, writerRest) / ordinaryRest);
}

/** Edits' worth of ordinary English that is mixed into a writer's mean, and of ordinary constancy into the spread. */
const MEAN_PRIOR = 1;
const SPREAD_PRIOR = 20;

/** Words under which a text's features are expected to scatter more, in inverse proportion. */
const STEADY_WORDS = 150;

/** Largest misfit (nats) that one feature can show. */
const LARGEST_MISFIT = 8;

/** How much likelier (nats) the text's value is under the writer's distribution than under the ordinary one. */
function featureEvidence(feature: Feature, summary: Summary, { features, wordCount }: StyleMeasure): number {
  const { name, typical, scale, within } = feature;
  const { evidence: n } = summary;
  const { mean, spread } = summary.features[name];
  const centre = (n * mean + MEAN_PRIOR * typical) / (n + MEAN_PRIOR);
  const steadiness = (n * spread ** 2 + SPREAD_PRIOR * within ** 2) / (n + SPREAD_PRIOR);
  const scatter = Math.sqrt(Math.max(1, STEADY_WORDS / wordCount));
  const writer = misfit(features[name], centre, scatter * Math.sqrt(steadiness + within ** 2 / (n + MEAN_PRIOR)));
  const ordinary = misfit(features[name], typical, scatter * scale);
  return summary.weights[name] * (ordinary - writer);
}

/** Negative log density of a normal distribution, up to a constant, with bounded misfit. */
function misfit(value: number, centre: number, spread: number): number {
  return Math.min(LARGEST_MISFIT, ((value - centre) / spread) ** 2 / 2) + Math.log(spread);
}
