/** Edits made to order, for tests of what is computed from many of them. */

import { eachFeature, type FeatureName } from '../../../src/profiles/features.ts';
import type { LearnedEdit } from '../../../src/profiles/patterns.ts';
import type { StyleDeltas } from '../../../src/profiles/style.ts';

const FIRST_DAY_MS = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;

type Values = Partial<Record<FeatureName, number>>;

interface Wish {
  readonly before?: Values;
  readonly after?: Values;
  readonly substitutions?: StyleDeltas['substitutions'];
  readonly cuts?: readonly string[];
  readonly editShare?: number;
  readonly wordCount?: number;
}

/** Deltas with typical values but for those that are wished. */
export function madeDeltas({ before, after, substitutions, cuts, editShare, wordCount }: Wish): StyleDeltas {
  return {
    before: eachFeature(({ name, typical }) => before?.[name] ?? typical),
    after: eachFeature(({ name, typical }) => after?.[name] ?? before?.[name] ?? typical),
    words: [],
    pairs: [],
    wordCount: wordCount ?? 100,
    wordCountBefore: 100,
    substitutions: substitutions ?? [],
    cuts: cuts ?? [],
    insertions: {},
    deletions: {},
    editShare: editShare ?? 0.3,
  };
}

/** The n-th edit of a writer: one a day, unless a day is given. */
export function madeEdit(n: number, wish: Wish, day: number = n): LearnedEdit {
  return { id: `edit-${n}`, savedAt: new Date(FIRST_DAY_MS + day * DAY_MS), deltas: madeDeltas(wish) };
}

/** So many edits of one kind, the first with this number. */
export function madeEdits(count: number, wish: Wish, first = 0): LearnedEdit[] {
  return Array.from({ length: count }, (_, i) => madeEdit(first + i, wish));
}
