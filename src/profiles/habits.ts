/**
 * What one edit says about every habit: whether it had the chance to show it, and whether it did.
 *
 * Promises: a chance is counted only where the change was possible (a hedge can be cut only where there is one); a
 * change smaller than a quarter of a feature's ordinary spread is no change; phrases of nothing but the commonest
 * words are no habit.
 */

import type { StyleDeltas } from './deltas.ts';
import { FEATURES, type Feature, type FeatureName } from './features.ts';
import { FREQUENT_WORDS } from './frequent-words.ts';
import type { Substitution } from './phrases.ts';

/** What a writer may do again and again. */
export interface Habit {
  /** Stable name, such as `feature:sentenceLength:down` or `substitution:utilize→use`. */
  readonly id: string;
  readonly kind: 'feature' | 'substitution' | 'cut';
  /** The feature that changes, of a feature habit. */
  readonly feature: FeatureName | null;
  /** The words that are exchanged or cut, of the other kinds, in lower case. */
  readonly from: string | null;
  /** What they are exchanged for. */
  readonly to: string | null;
  readonly direction: 'up' | 'down' | 'replace' | 'cut';
}

/** A habit that an edit had the chance to show. */
export interface Chance {
  readonly habit: Habit;
  readonly taken: boolean;
  /** Size of the change, 0–1, when it was taken. */
  readonly size: number;
  /** Values before and after, in the feature's unit; 0 for phrases. */
  readonly before: number;
  readonly after: number;
}

/** The deltas that habits are read from. */
type Deltas = Omit<StyleDeltas, 'words' | 'pairs'>;

/** Least change of a feature, in ordinary spreads. */
const LEAST_CHANGE = 0.25;

/** The chances of one edit to move features up or down. */
export function featureChances(deltas: Deltas): Chance[] {
  if (deltas.wordCount === 0 || deltas.wordCountBefore === 0) return [];
  return FEATURES.flatMap((feature) => {
    const before = deltas.before[feature.name];
    const after = deltas.after[feature.name];
    // Without a list there was nothing to put a comma in.
    if (feature.name === 'oxfordComma' && (before === 0 || after === 0)) return [];
    const least = LEAST_CHANGE * feature.scale;
    const size = Math.min(1, Math.abs(after - before) / feature.scale);
    const chances: Chance[] = [];
    if (before + least <= feature.max) {
      chances.push({ habit: featureHabit(feature, 'up'), taken: after - before >= least, size, before, after });
    }
    if (before - least >= feature.min) {
      chances.push({ habit: featureHabit(feature, 'down'), taken: before - after >= least, size, before, after });
    }
    return chances;
  });
}

function featureHabit({ name }: Feature, direction: 'up' | 'down'): Habit {
  return { id: `feature:${name}:${direction}`, kind: 'feature', feature: name, from: null, to: null, direction };
}

/** How much a phrase counts beside features: one word is less of a change than a whole spread. */
const PHRASE_SIZE = 0.6;

/** Edits that must share a phrase before it is looked at at all. */
const LEAST_EDITS = 3;

/** Places in the list of frequent words up to which a word alone is no phrase worth learning. */
const COMMONEST = new Set(FREQUENT_WORDS.slice(0, 40));

/** The chances of each of these edits to exchange or cut the phrases that recur in them, in the same order. */
export function phraseChances(edits: readonly Deltas[]): Chance[][] {
  const counts = new Map<string, { habit: Habit; edits: number }>();
  for (const deltas of edits) {
    for (const habit of phraseHabits(deltas)) {
      const edits = (counts.get(habit.id)?.edits ?? 0) + 1;
      counts.set(habit.id, { habit, edits });
    }
  }
  const recurring = [...counts.values()].filter((row) => row.edits >= LEAST_EDITS).map((row) => row.habit);
  return edits.map((deltas) => {
    const shown = new Set(phraseHabits(deltas).map((habit) => habit.id));
    return recurring
      .filter((habit) => shown.has(habit.id) || isMissed(habit, deltas))
      .map((habit) => ({ habit, taken: shown.has(habit.id), size: PHRASE_SIZE, before: 0, after: 0 }));
  });
}

function phraseHabits({ substitutions, cuts }: Deltas): Habit[] {
  return [
    ...substitutions.filter(({ from, to }) => isTelling(from) || isTelling(to)).map(substitutionHabit),
    ...cuts.filter(isTelling).map(cutHabit),
  ];
}

function isTelling(phrase: string): boolean {
  return phrase.split(' ').some((word) => !COMMONEST.has(word));
}

function substitutionHabit({ from, to }: Substitution): Habit {
  return { id: `substitution:${from}→${to}`, kind: 'substitution', feature: null, from, to, direction: 'replace' };
}

function cutHabit(from: string): Habit {
  return { id: `cut:${from}`, kind: 'cut', feature: null, from, to: null, direction: 'cut' };
}

/** Was the phrase at hand, and something else done with it: another word for it, or the change the other way round? */
function isMissed({ from, to }: Habit, { substitutions, cuts }: Deltas): boolean {
  return (
    substitutions.some((other) => (other.from === from && other.to !== to) || other.to === from) ||
    (to !== null && from !== null && cuts.includes(from))
  );
}
