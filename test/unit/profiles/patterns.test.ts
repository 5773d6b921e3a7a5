import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { detectPatterns, LISTED, type Pattern } from '../../../src/profiles/patterns.ts';
import { madeEdit, madeEdits } from './made-edits.ts';

const SHORTENS = { before: { sentenceLength: 24 }, after: { sentenceLength: 13 } };
const LEAVES = { before: { sentenceLength: 24 } };
const USES = { substitutions: [{ from: 'utilize', to: 'use', count: 1 }] };

function find(patterns: readonly Pattern[], id: string): Pattern | undefined {
  return patterns.find((pattern) => pattern.id === id);
}

describe('a habit', () => {
  it('is a change in one direction that repeats, and reads as a sentence', () => {
    const patterns = detectPatterns([...madeEdits(9, SHORTENS), madeEdit(9, LEAVES)]);
    expect(find(patterns, 'feature:sentenceLength:down')).toMatchObject({
      feature: 'sentenceLength',
      direction: 'down',
      support: 9,
      of: 10,
      example: 'prefers short sentences: 24 → 13 words, 9 of 10 edits',
    });
  });

  it('is not made by one odd edit, however large', () => {
    const odd = madeEdit(5, { after: { emoji: 30, sentenceLength: 90 } });
    expect(detectPatterns([...madeEdits(5, {}), odd, ...madeEdits(5, {}, 6)])).toEqual([]);
  });

  it('is not made by two edits alone', () => {
    expect(detectPatterns(madeEdits(2, SHORTENS))).toEqual([]);
    expect(detectPatterns(madeEdits(3, SHORTENS))).not.toEqual([]);
  });

  it('is not made by changes in both directions', () => {
    const lengthens = { before: { sentenceLength: 13 }, after: { sentenceLength: 24 } };
    const mixed = Array.from({ length: 20 }, (_, n) => madeEdit(n, n % 2 === 0 ? SHORTENS : lengthens));
    expect(detectPatterns(mixed)).toEqual([]);
  });

  it('is not made by changes too small to notice', () => {
    expect(detectPatterns(madeEdits(20, { before: { sentenceLength: 20 }, after: { sentenceLength: 19 } }))).toEqual(
      [],
    );
  });

  it('is not missed where there was no chance: without hedges none can be cut', () => {
    const cuts = madeEdits(4, { before: { hedges: 3 }, after: { hedges: 0 } });
    const without = madeEdits(30, { before: { hedges: 0 } }, 4);
    expect(find(detectPatterns([...cuts, ...without]), 'feature:hedges:down')).toMatchObject({ support: 4, of: 4 });
  });

  it('fades while newer edits no longer show it, and is gone in the end', () => {
    const confidenceAfter = (others: number) =>
      find(
        detectPatterns([...madeEdits(10, SHORTENS), ...madeEdits(others, LEAVES, 10)]),
        'feature:sentenceLength:down',
      )?.confidence ?? 0;
    expect(confidenceAfter(0)).toBeGreaterThan(confidenceAfter(3));
    expect(confidenceAfter(3)).toBeGreaterThan(confidenceAfter(6));
    expect(confidenceAfter(40)).toBe(0);
  });

  it('fades with time when the chance for it does not come again', () => {
    const later = (day: number) => detectPatterns([...madeEdits(5, USES), madeEdit(5, {}, day)]);
    expect(find(later(6), 'substitution:utilize→use')).toBeDefined();
    expect(find(later(400), 'substitution:utilize→use')).toBeUndefined();
  });

  it('comes back stronger than it was', () => {
    const edits = [...madeEdits(10, SHORTENS), ...madeEdits(40, LEAVES, 10), ...madeEdits(40, SHORTENS, 50)];
    expect(find(detectPatterns(edits), 'feature:sentenceLength:down')?.confidence).toBeGreaterThan(0.5);
  });
});

describe('habits of words', () => {
  it('are substitutions that repeat', () => {
    expect(find(detectPatterns(madeEdits(4, USES)), 'substitution:utilize→use')).toMatchObject({
      kind: 'substitution',
      from: 'utilize',
      to: 'use',
      support: 4,
      example: 'writes “use” for “utilize”: 4 edits',
    });
  });

  it('count against each other when the writer has no fixed choice', () => {
    const employs = { substitutions: [{ from: 'utilize', to: 'employ', count: 1 }] };
    const undone = { substitutions: [{ from: 'use', to: 'utilize', count: 1 }] };
    expect(detectPatterns([...madeEdits(3, USES), ...madeEdits(3, employs, 3), ...madeEdits(3, undone, 6)])).toEqual(
      [],
    );
  });

  it('are cuts that repeat', () => {
    const [pattern] = detectPatterns(madeEdits(5, { cuts: ['basically'] }));
    expect(pattern).toMatchObject({ id: 'cut:basically', direction: 'cut', example: 'cuts “basically”: 5 edits' });
  });

  it('are never of nothing but the commonest words', () => {
    const common = { cuts: ['the'], substitutions: [{ from: 'it', to: 'that', count: 2 }] };
    expect(detectPatterns(madeEdits(9, common))).toEqual([]);
  });
});

describe('the list of habits', () => {
  const various = [
    ...madeEdits(8, { ...SHORTENS, ...USES, cuts: ['rather', 'quite'] }),
    ...madeEdits(6, { before: { hedges: 3, passive: 0.5 }, after: { hedges: 0, passive: 0 } }, 8),
  ];

  it('does not depend on the order in which edits come', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(various, { minLength: various.length }), (shuffled) => {
        expect(detectPatterns(shuffled)).toEqual(detectPatterns(various));
      }),
      { numRuns: 20 },
    );
  });

  it('is sorted by strength, and bounded', () => {
    const many = madeEdits(5, { cuts: Array.from({ length: 60 }, (_, i) => `phrase ${'abcdefghij'[i % 10]}${i}x`) });
    const patterns = detectPatterns([...various, ...many]);
    expect(patterns.length).toBe(LISTED);
    const strengths = patterns.map((pattern) => pattern.strength);
    expect(strengths).toEqual([...strengths].sort((a, b) => b - a));
  });

  it('looks at the newest 200 edits', () => {
    const old = madeEdits(50, SHORTENS);
    expect(detectPatterns([...old, ...madeEdits(200, {}, 50)])).toEqual([]);
  });

  it('is empty without edits', () => {
    expect(detectPatterns([])).toEqual([]);
  });
});
