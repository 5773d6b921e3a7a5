import { describe, expect, it } from 'vitest';
import { evolutionScore } from '../../../src/profiles/evolution.ts';
import type { LearnedEdit } from '../../../src/profiles/patterns.ts';
import { addEdit, EMPTY_SUMS, summarise } from '../../../src/profiles/sums.ts';
import { madeDeltas, madeEdit, madeEdits } from './made-edits.ts';

function scoreOf(edits: readonly LearnedEdit[]) {
  const sums = edits.reduce(
    (all, { deltas, savedAt }) => addEdit(all, { ...madeDeltas({}), ...deltas }, savedAt),
    EMPTY_SUMS,
  );
  return evolutionScore({ summary: summarise(sums), edits });
}

describe('the evolution score', () => {
  it('is 0 for a writer of whom nothing was learned', () => {
    expect(evolutionScore({ summary: summarise(EMPTY_SUMS), edits: [] })).toEqual({ score: 0, settled: 0, effort: 0 });
  });

  it('rises with every edit of one style', () => {
    const scores = [1, 2, 5, 10, 20, 50].map((count) => scoreOf(madeEdits(count, {})).score);
    expect(scores).toEqual([...scores].sort((a, b) => a - b));
    expect(new Set(scores).size).toBe(scores.length);
  });

  it('is higher the less the writer edits now', () => {
    const scores = [0.4, 0.3, 0.2, 0.1, 0].map((editShare) => {
      return scoreOf([...madeEdits(10, { editShare: 0.5 }), ...madeEdits(10, { editShare }, 10)]);
    });
    expect(scores.map(({ score }) => score)).toEqual([...scores.map(({ score }) => score)].sort((a, b) => a - b));
    expect(scores.map(({ effort }) => effort)).toEqual([0.4, 0.3, 0.2, 0.1, 0]);
  });

  it('gains nothing from effort that grows', () => {
    const grows = scoreOf([...madeEdits(10, { editShare: 0.3 }), ...madeEdits(10, { editShare: 0.6 }, 10)]);
    expect(grows.score).toBeCloseTo(50 * grows.settled, 1);
  });

  it('is lower while the style drifts', () => {
    const steady = scoreOf(madeEdits(20, { after: { sentenceLength: 12, commas: 3 } }));
    const moved = madeEdits(10, { after: { sentenceLength: 40, commas: 12, hedges: 5, emoji: 6, formality: 20 } }, 10);
    const drifting = scoreOf([...madeEdits(10, { after: { sentenceLength: 12, commas: 3 } }), ...moved]);
    expect(drifting.settled).toBeLessThan(steady.settled);
    expect(drifting.score).toBeLessThan(steady.score);
  });

  it('stays between 0 and 100', () => {
    const best = scoreOf(madeEdits(200, { editShare: 0 }));
    expect(best.score).toBeGreaterThan(90);
    expect(best.score).toBeLessThanOrEqual(100);
    const worst = scoreOf(madeEdits(4, { editShare: 1, wordCount: 0 }));
    expect(worst.score).toBe(0);
  });

  it('does not depend on the order in which edits come', () => {
    const edits = Array.from({ length: 12 }, (_, n) => madeEdit(n, { editShare: n / 20, after: { commas: n } }));
    expect(scoreOf([...edits].reverse())).toEqual(scoreOf(edits));
  });
});
