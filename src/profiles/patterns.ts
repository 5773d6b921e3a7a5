/**
 * Habits: changes in one direction that a writer makes again and again.
 *
 * Promises: a function of the set of edits (the newest `EDITS_LOOKED_AT` by time, then id); one odd edit makes no
 * habit (`LEAST_SUPPORT`); what is no longer done fades, by newer edits and by time, and is gone once its confidence
 * is under `LEAST_CONFIDENCE`; at most `LISTED`, strongest first, in an order that is always the same.
 */

import type { StyleDeltas } from './deltas.ts';
import { compact, FEATURES } from './features.ts';
import { type Chance, featureChances, type Habit, phraseChances } from './habits.ts';

/** An edit as patterns and evolution look at it. */
export interface LearnedEdit {
  readonly id: string;
  readonly savedAt: Date;
  readonly deltas: Omit<StyleDeltas, 'words' | 'pairs'>;
}

/** A habit of a writer, and how sure it is. */
export interface Pattern extends Habit {
  /** Edits that show the habit. */
  readonly support: number;
  /** Edits that had the chance to. */
  readonly of: number;
  /** Lower bound of the share of chances that are taken, 0–1, after decay. */
  readonly confidence: number;
  /** Confidence times size of the change, 0–1: what patterns are sorted by. */
  readonly strength: number;
  /** The habit in words: "prefers short sentences: 24 → 13 words, 9 of 10 edits". */
  readonly example: string;
}

/** Edits that are looked at: the newest. */
export const EDITS_LOOKED_AT = 200;

/** Patterns that are listed. */
export const LISTED = 30;

/** Edits that must show a habit. Two can be chance; three is the least that people call a habit. */
export const LEAST_SUPPORT = 3;

/** Least lower bound of the share of chances taken: three of three (0.44) pass, five of ten (0.24) do not. */
export const LEAST_CONFIDENCE = 0.3;

/** Newer edits after which a change counts half. */
const HALF_LIFE_EDITS = 40;

/** Days before the newest edit at which a change counts half. */
const HALF_LIFE_DAYS = 90;

const DAY_MS = 86_400_000;

/** Normal deviate of the Wilson bound (Wilson 1927): 97.5 %, one-sided. */
const Z = 1.96;

interface Tally {
  readonly habit: Habit;
  support: number;
  of: number;
  weightTaken: number;
  weight: number;
  size: number;
  before: number;
  after: number;
}

/** Find the habits in a writer's edits. */
export function detectPatterns(edits: readonly LearnedEdit[]): Pattern[] {
  const newestFirst = newest(edits).reverse();
  const tallies = new Map<string, Tally>();
  const start = newestFirst[0]?.savedAt.getTime() ?? 0;
  const phrases = phraseChances(newestFirst.map((edit) => edit.deltas));
  for (const [rank, { savedAt, deltas }] of newestFirst.entries()) {
    const days = (start - savedAt.getTime()) / DAY_MS;
    const weight = 2 ** (-rank / HALF_LIFE_EDITS - days / HALF_LIFE_DAYS);
    for (const chance of [...featureChances(deltas), ...(phrases[rank] ?? [])]) count(tallies, chance, weight);
  }
  return [...tallies.values()]
    .map(patternOf)
    .filter(({ support, confidence }) => support >= LEAST_SUPPORT && confidence >= LEAST_CONFIDENCE)
    .sort((a, b) => b.strength - a.strength || (a.id < b.id ? -1 : 1))
    .slice(0, LISTED);
}

/** The newest edits by time, then id, oldest first: those that patterns and evolution look at. */
export function newest(edits: readonly LearnedEdit[]): LearnedEdit[] {
  const sorted = [...edits].sort((a, b) => a.savedAt.getTime() - b.savedAt.getTime() || (a.id < b.id ? -1 : 1));
  return sorted.slice(-EDITS_LOOKED_AT);
}

function count(tallies: Map<string, Tally>, { habit, taken, size, before, after }: Chance, weight: number): void {
  const found = tallies.get(habit.id);
  const tally = found ?? { habit, support: 0, of: 0, weightTaken: 0, weight: 0, size: 0, before: 0, after: 0 };
  if (found === undefined) tallies.set(habit.id, tally);
  tally.of += 1;
  tally.weight += weight;
  if (!taken) return;
  tally.support += 1;
  tally.weightTaken += weight;
  tally.size += weight * size;
  tally.before += weight * before;
  tally.after += weight * after;
}

function patternOf(tally: Tally): Pattern {
  const { habit, support, of, weightTaken, weight, size } = tally;
  const confidence = wilsonBound(weightTaken, weight);
  const strength = weightTaken === 0 ? 0 : (confidence * size) / weightTaken;
  return {
    ...habit,
    support,
    of,
    confidence: compact(confidence),
    strength: compact(strength),
    example: sentenceOf(tally),
  };
}

/** Lower end of Wilson's interval for a share of `taken` in `all`, which may be fractions. */
function wilsonBound(taken: number, all: number): number {
  if (all <= 0) return 0;
  const share = Math.min(1, taken / all);
  const half = Z * Math.sqrt((share * (1 - share)) / all + (Z * Z) / (4 * all * all));
  return Math.max(0, (share + (Z * Z) / (2 * all) - half) / (1 + (Z * Z) / all));
}

function sentenceOf({ habit, support, of, weightTaken, before, after }: Tally): string {
  const times = support === of ? `${of} edits` : `${support} of ${of} edits`;
  if (habit.kind === 'substitution') return `writes “${habit.to}” for “${habit.from}”: ${times}`;
  if (habit.kind === 'cut') return `cuts “${habit.from}”: ${times}`;
  const feature = FEATURES.find((row) => row.name === habit.feature);
  if (feature === undefined || weightTaken === 0) return times;
  const show = (sum: number) => (sum / weightTaken).toFixed(feature.digits);
  const unit = /^(?:words|letters|per|pairs|share)/.test(feature.unit) ? ` ${feature.unit}` : '';
  const values = feature.unit === '0 or 1' ? '' : `${show(before)} → ${show(after)}${unit}, `;
  return `${habit.direction === 'up' ? feature.more : feature.less}: ${values}${times}`;
}
