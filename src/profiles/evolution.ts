/**
 * The evolution score: how settled a writer's profile is, and how much less they have to edit than before.
 *
 * Promises: a function of the summary and of the set of recent edits; 0 without edits; never NaN; the same input gives
 * the same score. It rises with evidence and with less editing, and falls when the style drifts. Formula and reasons:
 * docs/learning.md.
 */

import { compact, FEATURES } from './features.ts';
import { type LearnedEdit, newest } from './patterns.ts';
import type { Summary } from './sums.ts';

/** How far a profile has come. */
export interface Evolution {
  /** 0 (nothing known) – 100 (settled, and nothing left to edit), one decimal. */
  readonly score: number;
  /** 0–1: enough evidence, and a style that holds still. */
  readonly settled: number;
  /** 0–1: mean share of a text that the writer changes nowadays. */
  readonly effort: number;
}

/** Nothing known. */
export const NO_EVOLUTION: Evolution = { score: 0, settled: 0, effort: 0 };

/** Effective edits at which half of the evidence is in. */
const EVIDENCE_HALF_WAY = 5;

/** Drift, in ordinary within-text spreads, at which a profile counts as half settled. */
const DRIFT_HALF_WAY = 1;

/** Share of a text that is changed by somebody nobody has learned from; less than that from the start is spared too. */
const EFFORT_AT_FIRST = 0.3;

/** Edits on either side of the comparison between earlier and now, at most. */
const COMPARED = 20;

/** Score a profile. `edits` are the recent ones; more than the newest 200 are ignored. */
export function evolutionScore({ summary, edits }: { summary: Summary; edits: readonly LearnedEdit[] }): Evolution {
  const inOrder = newest(edits);
  if (summary.edits === 0 || inOrder.length === 0) return NO_EVOLUTION;
  const side = Math.max(1, Math.min(COMPARED, Math.floor(inOrder.length / 2)));
  const earlier = inOrder.slice(0, side);
  const now = inOrder.slice(-side);
  const evidence = summary.evidence / (summary.evidence + EVIDENCE_HALF_WAY);
  const settled = (evidence * DRIFT_HALF_WAY) / (DRIFT_HALF_WAY + drift(earlier, now));
  const effort = meanEffort(now);
  const before = Math.max(EFFORT_AT_FIRST, meanEffort(earlier));
  const spared = evidence * Math.max(0, 1 - effort / before);
  return {
    score: Math.round(1000 * (0.5 * settled + 0.5 * spared)) / 10,
    settled: compact(settled),
    effort: compact(effort),
  };
}

function meanEffort(edits: readonly LearnedEdit[]): number {
  return edits.reduce((sum, edit) => sum + edit.deltas.editShare, 0) / edits.length;
}

/** Mean over features of how far their means moved, in within-text spreads, beyond what chance alone would move them. */
function drift(earlier: readonly LearnedEdit[], now: readonly LearnedEdit[]): number {
  const [old, young] = [earlier, now].map((side) => side.filter((edit) => edit.deltas.wordCount > 0));
  if (old === undefined || young === undefined || old.length === 0 || young.length === 0) return 0;
  const chance = Math.sqrt(1 / old.length + 1 / young.length);
  const moves = FEATURES.map(({ name, within }) => {
    const mean = (side: readonly LearnedEdit[]) =>
      side.reduce((sum, edit) => sum + edit.deltas.after[name], 0) / side.length;
    return Math.max(0, Math.abs(mean(young) - mean(old)) / within - chance);
  });
  return moves.reduce((sum, move) => sum + move, 0) / moves.length;
}
