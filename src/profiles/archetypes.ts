/**
 * Named reference styles, to tell a writer in a word where they stand.
 *
 * Promises: a fixed list; ids never change; each names the features that make it, in the features' own units. The
 * values are set by hand against the table of features (`typical` plus or minus one or two of `scale`).
 */

import { compact, FEATURES, type FeatureName } from './features.ts';
import type { Summary } from './sums.ts';

/** A named reference style. */
export interface Archetype {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  /** What makes it, in each feature's unit: whoever goes further that way is as close. Other features do not matter. */
  readonly features: Readonly<Partial<Record<FeatureName, number>>>;
}

/** The reference styles. */
export const ARCHETYPES: readonly Archetype[] = [
  {
    id: 'plain-speaker',
    name: 'Plain speaker',
    description: 'Short sentences, short words, active voice, nothing hedged.',
    features: {
      sentenceLength: 10,
      wordLength: 4.2,
      hedges: 0.2,
      passive: 0.03,
      readability: 80,
      semicolons: 0,
      commas: 3,
    },
  },
  {
    id: 'warm-correspondent',
    name: 'Warm correspondent',
    description: 'Greets, thanks, speaks to the reader as "you", and is glad about it.',
    features: {
      greeting: 1,
      signOff: 1,
      exclamations: 1.5,
      secondPerson: 3,
      contractions: 2.5,
      sentiment: 0.25,
      formality: 50,
    },
  },
  {
    id: 'enthusiast',
    name: 'Enthusiast',
    description: 'Exclamation marks, intensifiers and emoji in quick, bright sentences.',
    features: {
      exclamations: 3,
      intensifiers: 1.8,
      emoji: 1.5,
      sentiment: 0.35,
      sentenceLength: 11,
      contractions: 2.5,
    },
  },
  {
    id: 'formal-counsel',
    name: 'Formal counsel',
    description: 'Complete sentences in the passive voice, no contractions, semicolons and the Oxford comma.',
    features: {
      contractions: 0,
      semicolons: 0.9,
      oxfordComma: 0.5,
      exclamations: 0,
      passive: 0.3,
      hedges: 0.3,
      secondPerson: 0.6,
    },
  },
  {
    id: 'scholar',
    name: 'Scholar',
    description: 'Dense and impersonal: passive voice, long words, careful hedges, asides in parentheses.',
    features: {
      passive: 0.45,
      wordLength: 5.2,
      hedges: 1.6,
      firstPerson: 0.5,
      readability: 30,
      parentheses: 1.5,
      contractions: 0,
    },
  },
  {
    id: 'storyteller',
    name: 'Storyteller',
    description: 'Sentences of every length, quotations, dashes, and "I was there".',
    features: { sentenceSpread: 14, quotations: 2.2, dashes: 1.2, firstPerson: 4, lexicalVariety: 0.84, formality: 52 },
  },
  {
    id: 'briefer',
    name: 'Briefer',
    description: 'Lists and short paragraphs; the point first, with colons.',
    features: {
      listItems: 0.4,
      paragraphLength: 20,
      colons: 1.5,
      sentenceLength: 11,
      firstPerson: 0.7,
      intensifiers: 0.1,
    },
  },
  {
    id: 'diplomat',
    name: 'Diplomat',
    description: 'Polite and careful: hedges, questions, "we" rather than orders.',
    features: { hedges: 2.2, questions: 1.2, firstPerson: 4.5, secondPerson: 2, sentiment: 0.15, exclamations: 0.1 },
  },
];

/** The reference style a writer is closest to; null for a writer of whom nothing was learned. */
export function nearestArchetype(summary: Summary): { id: string; name: string; distance: number } | null {
  if (summary.edits === 0) return null;
  const ranked = ARCHETYPES.map(({ id, name, features }) => ({ id, name, distance: distanceTo(features, summary) }));
  return ranked.sort((a, b) => a.distance - b.distance || (a.id < b.id ? -1 : 1))[0] ?? null;
}

/** Furthest that one feature alone can put a style away, in ordinary spreads. */
const FURTHEST = 3;

/** Root mean square of what is missing in the features that make the style, in ordinary spreads. */
function distanceTo(features: Archetype['features'], summary: Summary): number {
  const squares = FEATURES.flatMap(({ name, typical, scale }) => {
    const wished = features[name];
    if (wished === undefined) return [];
    const missing = (wished - summary.features[name].mean) * Math.sign(wished - typical);
    return Math.min(FURTHEST, Math.max(0, missing) / scale) ** 2;
  });
  return compact(Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / Math.max(1, squares.length)));
}
