/**
 * The deltas of one edit: what it changed in the writer's style, small enough to store with the edit.
 *
 * Promises: pure and deterministic; JSON-serialisable; every list bounded; every number finite and rounded to six significant digits.
 */

import { compact, type FeatureName } from './features.ts';
import { countPhrases, HEDGES, INTENSIFIERS } from './lexicons.ts';
import type { StyleMeasure } from './measurement.ts';
import { cutsIn, type Substitution, substitutionsIn } from './phrases.ts';
import { changedUnits, type Passage, type Revision, type Unit } from './revision.ts';

/** What can be put in or taken out. */
export const CHANGE_KINDS = [
  'word',
  'sentence',
  'paragraph',
  'punctuation',
  'emoji',
  'hedge',
  'intensifier',
  'greeting',
  'signOff',
] as const;

export type ChangeKind = (typeof CHANGE_KINDS)[number];

/** The deltas of one edit. */
export interface StyleDeltas {
  /** Feature values of the text before. */
  readonly before: Readonly<Record<FeatureName, number>>;
  /** Feature values of the text after. */
  readonly after: Readonly<Record<FeatureName, number>>;
  /** Relative frequency of each of `FREQUENT_WORDS` in the text after. */
  readonly words: readonly number[];
  /** Relative frequency of each of `TAG_PAIRS` in the text after. */
  readonly pairs: readonly number[];
  /** Words of the text after, and of the text before. */
  readonly wordCount: number;
  readonly wordCountBefore: number;
  readonly substitutions: readonly Substitution[];
  /** Phrases taken out of a sentence that stayed, in lower case. */
  readonly cuts: readonly string[];
  /** How many of each kind were put in; a kind that was not is absent. */
  readonly insertions: Readonly<Partial<Record<ChangeKind, number>>>;
  /** How many of each kind were taken out; a kind that was not is absent. */
  readonly deletions: Readonly<Partial<Record<ChangeKind, number>>>;
  /** Share of words and marks that were removed or added, 0 (nothing changed) – 1 (nothing stayed). */
  readonly editShare: number;
}

/** Share of a sentence that must have stayed for it not to count as taken out or put in. */
const SENTENCE_KEPT = 0.25;

/** Put together what an edit changed. */
export function deltasOf(before: StyleMeasure, after: StyleMeasure, revision: Revision): StyleDeltas {
  const { passages } = revision;
  const total = revision.before + revision.after;
  const changed = passages.reduce((sum, passage) => sum + changedUnits(passage), 0);
  return {
    before: before.features,
    after: after.features,
    words: after.words,
    pairs: after.pairs,
    wordCount: after.wordCount,
    wordCountBefore: before.wordCount,
    substitutions: substitutionsIn(passages),
    cuts: cutsIn(passages),
    insertions: changesOf(passages, 'added', before, after),
    deletions: changesOf(passages, 'removed', after, before),
    editShare: total === 0 ? 0 : compact(changed / total),
  };
}

/** What runs of one fate hold; greetings and sign-offs are those that `there` has and `elsewhere` has not. */
function changesOf(
  passages: readonly Passage[],
  fate: 'added' | 'removed',
  elsewhere: StyleMeasure,
  there: StyleMeasure,
): Partial<Record<ChangeKind, number>> {
  const runs = passages.flatMap((passage) => passage.runs.filter((run) => run.fate === fate));
  const count = (kind: Unit['kind']) =>
    runs.reduce((sum, run) => sum + run.units.filter((unit) => unit.kind === kind).length, 0);
  const phrases = (lexicon: typeof HEDGES) =>
    runs.reduce(
      (sum, run) =>
        sum +
        countPhrases(
          run.units.flatMap((unit) => unit.normals),
          lexicon,
        ),
      0,
    );
  const counts: Record<ChangeKind, number> = {
    word: count('word'),
    sentence: passages.reduce((sum, passage) => sum + wholeSentences(passage, fate), 0),
    paragraph: count('break'),
    punctuation: count('punctuation'),
    emoji: count('emoji'),
    hedge: phrases(HEDGES),
    intensifier: phrases(INTENSIFIERS),
    greeting: Math.max(0, there.features.greeting - elsewhere.features.greeting),
    signOff: Math.max(0, there.features.signOff - elsewhere.features.signOff),
  };
  return Object.fromEntries(Object.entries(counts).filter(([, value]) => value > 0));
}

/** Sentences of which hardly anything stayed, beyond as many as took their place. */
function wholeSentences(passage: Passage, fate: 'added' | 'removed'): number {
  const other = fate === 'added' ? 'removed' : 'added';
  return Math.max(0, lostSentences(passage, fate) - lostSentences(passage, other));
}

function lostSentences({ runs }: Passage, fate: 'added' | 'removed'): number {
  const changed = new Map<number, { changed: number; all: number }>();
  for (const run of runs) {
    if (run.fate !== fate && run.fate !== 'kept') continue;
    for (const { sentence } of run.units) {
      const row = changed.get(sentence) ?? { changed: 0, all: 0 };
      changed.set(sentence, { changed: row.changed + (run.fate === fate ? 1 : 0), all: row.all + 1 });
    }
  }
  return [...changed.values()].filter((row) => row.changed / row.all > 1 - SENTENCE_KEPT).length;
}
