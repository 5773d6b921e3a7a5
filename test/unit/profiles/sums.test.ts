import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eachFeature, FEATURES } from '../../../src/profiles/features.ts';
import { FREQUENT_WORDS } from '../../../src/profiles/frequent-words.ts';
import { extractDeltas, type StyleMeasure } from '../../../src/profiles/style.ts';
import { addEdit, addFeedback, differenceOf, EMPTY_SUMS, type Sums, summarise } from '../../../src/profiles/sums.ts';
import { TAG_PAIRS } from '../../../src/profiles/tag-pairs.ts';
import { madeDeltas } from './made-edits.ts';

interface Saved {
  readonly kind: 'edit' | 'rating';
  readonly measure: StyleMeasure;
  readonly rating: number;
  readonly at: Date;
}

const frequency = fc.double({ min: 0, max: 1, noNaN: true });

const measure: fc.Arbitrary<StyleMeasure> = fc
  .record({
    features: fc.tuple(...FEATURES.map(({ min, max }) => fc.double({ min, max, noNaN: true }))),
    words: fc.array(frequency, { minLength: FREQUENT_WORDS.length, maxLength: FREQUENT_WORDS.length }),
    pairs: fc.array(frequency, { minLength: TAG_PAIRS.length, maxLength: TAG_PAIRS.length }),
    wordCount: fc.integer({ min: 0, max: 2_000 }),
  })
  .map(({ features, ...rest }) => {
    const values = [...features];
    return { ...rest, features: eachFeature(() => values.shift() ?? 0), sentenceCount: 1 };
  });

const saved: fc.Arbitrary<Saved> = fc.record({
  kind: fc.constantFrom('edit' as const, 'edit' as const, 'rating' as const),
  measure,
  rating: fc.integer({ min: 1, max: 5 }),
  at: fc.date({ min: new Date('1970-01-01'), max: new Date('2200-12-31'), noInvalidDate: true }),
});

function add(sums: Sums, { kind, measure, rating, at }: Saved): Sums {
  return kind === 'edit'
    ? addEdit(sums, { ...measure, after: measure.features }, at)
    : addFeedback(sums, measure, rating, at);
}

describe('the sums are a function of the set', () => {
  it('in whatever order edits and ratings come', () => {
    const history = fc.array(saved, { minLength: 1, maxLength: 25 });
    fc.assert(
      fc.property(
        history.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        ([all, shuffled]) => {
          const [a, b] = [all.reduce(add, EMPTY_SUMS), shuffled.reduce(add, EMPTY_SUMS)];
          expect(differenceOf(a, b)).toBeLessThan(1e-9);
          const [left, right] = [summarise(a), summarise(b)];
          expect(left.edits).toBe(right.edits);
          for (const { name, scale } of FEATURES) {
            expect(left.features[name].mean).toBeCloseTo(right.features[name].mean, 4);
            expect(Math.abs(left.features[name].spread - right.features[name].spread)).toBeLessThan(1e-4 * scale);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('in whatever batches they are stored in between', () => {
    fc.assert(
      fc.property(fc.array(saved, { minLength: 2, maxLength: 12 }), fc.nat(), (all, at) => {
        const cut = at % all.length;
        const stored = JSON.parse(JSON.stringify(all.slice(0, cut).reduce(add, EMPTY_SUMS))) as Sums;
        expect(all.slice(cut).reduce(add, stored)).toEqual(all.reduce(add, EMPTY_SUMS));
      }),
      { numRuns: 30 },
    );
  });

  it('and of nothing but numbers that JSON can hold, for dates from 1970 to 2200', () => {
    fc.assert(
      fc.property(fc.array(saved, { minLength: 1, maxLength: 10 }), (all) => {
        const summary = summarise(all.reduce(add, EMPTY_SUMS));
        const numbers = Object.values(summary.features).flatMap(({ mean, spread }) => [mean, spread]);
        const rest = [
          summary.evidence,
          ...summary.words.mean,
          ...summary.pairs.mean,
          ...Object.values(summary.weights),
        ];
        expect([...numbers, ...rest].every(Number.isFinite)).toBe(true);
        expect(summary.evidence).toBeLessThanOrEqual(summary.edits + 1e-9);
      }),
      { numRuns: 30 },
    );
  });
});

const JANUARY = new Date('2026-01-01');

describe('the summary', () => {
  it('of no edits is ordinary English', () => {
    const summary = summarise(EMPTY_SUMS);
    expect(summary).toMatchObject({ edits: 0, ratings: 0, evidence: 0 });
    for (const { name, typical, scale } of FEATURES) {
      expect(summary.features[name]).toEqual({ mean: typical, spread: scale, count: 0 });
    }
  });

  it('of equal edits has their values and no spread', () => {
    const edit = madeDeltas({ after: { sentenceLength: 13.7 } });
    const sums = Array.from({ length: 50 }).reduce<Sums>((all) => addEdit(all, edit, JANUARY), EMPTY_SUMS);
    expect(summarise(sums).features.sentenceLength).toEqual({ mean: 13.7, spread: 0, count: 50 });
  });

  it('keeps a small spread beside a large mean', () => {
    const texts = [61.00001, 61.00003].map((readability) => madeDeltas({ after: { readability } }));
    const sums = texts.reduce((all, deltas) => addEdit(all, deltas, JANUARY), EMPTY_SUMS);
    expect(summarise(sums).features.readability.spread).toBeCloseTo(0.00001, 8);
  });

  it('counts an edit half after half a year', () => {
    const old = addEdit(EMPTY_SUMS, madeDeltas({ after: { commas: 0 } }), new Date('2025-07-05'));
    const both = addEdit(old, madeDeltas({ after: { commas: 9 } }), JANUARY);
    expect(summarise(both).features.commas.mean).toBeCloseTo(6, 2);
  });

  it('counts an edit without words as an edit, and learns nothing from it', () => {
    const one = addEdit(EMPTY_SUMS, madeDeltas({ after: { commas: 9 } }), JANUARY);
    const two = summarise(addEdit(one, madeDeltas({ after: { commas: 0 }, wordCount: 0 }), JANUARY));
    expect(two.edits).toBe(2);
    expect(two.features.commas).toEqual({ mean: 9, spread: 0, count: 1 });
  });

  it('refuses a date that is none', () => {
    expect(() => addEdit(EMPTY_SUMS, madeDeltas({}), new Date('never'))).toThrow(RangeError);
  });
});

describe('ratings', () => {
  const writer = [4, 5, 6].reduce(
    (sums, commas) => addEdit(sums, madeDeltas({ after: { commas, semicolons: 0.2 } }), JANUARY),
    EMPTY_SUMS,
  );
  const rated = (commas: number): StyleMeasure => ({
    features: eachFeature(({ name, typical }) => (name === 'commas' ? commas : name === 'semicolons' ? 0.2 : typical)),
    words: [],
    pairs: [],
    wordCount: 100,
    sentenceCount: 5,
  });

  it('make a feature count more when disliked texts were far off in it', () => {
    const { weights, ratings } = summarise(addFeedback(writer, rated(20), 1, JANUARY));
    expect(weights.commas).toBeGreaterThan(1.2);
    expect(ratings).toBe(1);
  });

  it('make a feature count less when liked texts were far off in it', () => {
    expect(summarise(addFeedback(writer, rated(20), 5, JANUARY)).weights.commas).toBeLessThan(0.9);
  });

  it('of 3 say nothing', () => {
    expect(addFeedback(writer, rated(20), 3, JANUARY)).toEqual(writer);
  });

  it('keep every weight between a quarter and four', () => {
    const many = (rating: number) =>
      Array.from({ length: 20 }).reduce<Sums>((sums) => addFeedback(sums, rated(90), rating, JANUARY), writer);
    expect(summarise(many(1)).weights.commas).toBe(4);
    expect(summarise(many(5)).weights.commas).toBe(0.25);
  });

  it('are refused outside 1 to 5', () => {
    expect(() => addFeedback(writer, rated(5), 6, JANUARY)).toThrow(RangeError);
  });
});

it('the difference of two sums does not depend on the order of their keys, which jsonb changes', async () => {
  const deltas = await extractDeltas('I would perhaps utilize it.', "Let's use it; it works!");
  const sums = addEdit(EMPTY_SUMS, deltas, new Date('2026-11-21T00:00:00Z'));
  const features = Object.fromEntries(Object.entries(sums.features).reverse()) as typeof sums.features;
  expect(differenceOf({ ...sums, features }, sums)).toBe(0);
  expect(differenceOf(addEdit(sums, deltas, new Date('2026-11-21T00:00:00Z')), sums)).toBeGreaterThan(0.1);
});
