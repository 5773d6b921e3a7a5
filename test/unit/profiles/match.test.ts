import { beforeAll, describe, expect, it } from 'vitest';
import { ARCHETYPES, nearestArchetype } from '../../../src/profiles/archetypes.ts';
import { matchStyle } from '../../../src/profiles/match.ts';
import { detectPatterns } from '../../../src/profiles/patterns.ts';
import { measureStyle } from '../../../src/profiles/style.ts';
import { EMPTY_SUMS, summarise } from '../../../src/profiles/sums.ts';
import { editsOf, type LearnedWriter, learnFrom, WRITERS, type Writer } from './demo-writers.ts';

const LEARNED = 10;
const writers = new Map<Writer, LearnedWriter>();

beforeAll(async () => {
  for (const writer of WRITERS) writers.set(writer, await learnFrom(editsOf(writer).slice(0, LEARNED)));
});

function learned(writer: Writer): LearnedWriter {
  const found = writers.get(writer);
  if (found === undefined) throw new Error(`${writer} was not learned`);
  return found;
}

async function scoreOf(text: string, writer: Writer): Promise<number> {
  return matchStyle(learned(writer).summary, await measureStyle(text)).score;
}

describe('matching', () => {
  it.each(WRITERS)('finds %s in every text that was not learned', async (writer) => {
    for (const { editedText } of editsOf(writer).slice(LEARNED)) {
      const own = await scoreOf(editedText, writer);
      for (const other of WRITERS.filter((name) => name !== writer)) {
        expect(own).toBeGreaterThan(await scoreOf(editedText, other));
      }
      expect(own).toBeGreaterThan(0.7);
    }
  });

  it('says which features speak for and against', async () => {
    const bruno = learned('bruno').summary;
    const formal = await measureStyle(editsOf('chen')[12]?.editedText ?? '');
    const against = matchStyle(bruno, formal);
    expect(against.score).toBeLessThan(0.4);
    expect(against.disagree.map((row) => row.feature)).toContain('exclamations');
    const own = matchStyle(bruno, await measureStyle(editsOf('bruno')[12]?.editedText ?? ''));
    expect(own.agree.map((row) => row.feature)).toEqual(expect.arrayContaining(['exclamations', 'emoji']));
    expect(own.agree.length).toBeLessThanOrEqual(5);
    expect(own.agree[0]).toEqual({
      feature: expect.any(String),
      label: expect.any(String),
      writer: expect.any(Number),
      text: expect.any(Number),
    });
  });

  it('moves toward 0.5 the less was learned', async () => {
    const text = await measureStyle(editsOf('bruno')[12]?.editedText ?? '');
    const scores: number[] = [];
    for (const count of [1, 3, LEARNED]) {
      scores.push(matchStyle((await learnFrom(editsOf('bruno').slice(0, count))).summary, text).score);
    }
    expect(scores).toEqual([...scores].sort((a, b) => a - b));
    expect(scores[0]).toBeGreaterThan(0.5);
  });

  it('moves toward 0.5 the shorter the text', async () => {
    const long = editsOf('bruno')[12]?.editedText ?? '';
    expect(Math.abs((await scoreOf('See you there.', 'bruno')) - 0.5)).toBeLessThan(
      Math.abs((await scoreOf(long, 'bruno')) - 0.5),
    );
  });

  it('is 0.5 where there is nothing to tell by', async () => {
    const nothing = { score: 0.5, agree: [], disagree: [] };
    expect(matchStyle(summarise(EMPTY_SUMS), await measureStyle('Some text.'))).toEqual(nothing);
    expect(matchStyle(learned('ada').summary, await measureStyle(' '))).toEqual(nothing);
  });

  it('counts a feature as its weight says', async () => {
    const { summary } = learned('bruno');
    const text = await measureStyle(editsOf('ada')[12]?.editedText ?? '');
    const heavier = { ...summary, weights: { ...summary.weights, exclamations: 4, emoji: 4 } };
    expect(matchStyle(heavier, text).score).toBeLessThan(matchStyle(summary, text).score);
  });
});

describe('the demo writers', () => {
  it('have the habits they were written with', () => {
    const ids = (writer: Writer) => detectPatterns(learned(writer).edits).map((pattern) => pattern.id);
    expect(ids('ada')).toEqual(expect.arrayContaining(['feature:sentenceLength:down', 'feature:hedges:down']));
    expect(ids('bruno')).toEqual(
      expect.arrayContaining(['feature:exclamations:up', 'feature:emoji:up', 'feature:greeting:up']),
    );
    expect(ids('chen')).toEqual(
      expect.arrayContaining(['feature:contractions:down', 'feature:semicolons:up', 'feature:oxfordComma:up']),
    );
  });

  it('are nearest to three different archetypes', () => {
    const nearest = WRITERS.map((writer) => nearestArchetype(learned(writer).summary)?.id);
    expect(nearest).toEqual(['plain-speaker', 'warm-correspondent', 'formal-counsel']);
  });
});

describe('archetypes', () => {
  it('have ids and names of their own', () => {
    expect(new Set(ARCHETYPES.map(({ id }) => id)).size).toBe(ARCHETYPES.length);
    expect(new Set(ARCHETYPES.map(({ name }) => name)).size).toBe(ARCHETYPES.length);
  });

  it('are nearest to themselves', () => {
    const unknown = summarise(EMPTY_SUMS);
    for (const { id, features } of ARCHETYPES) {
      const means = Object.entries(features).map(([name, mean]) => [name, { mean, spread: 1, count: 1 }]);
      const summary = { ...unknown, edits: 1, features: { ...unknown.features, ...Object.fromEntries(means) } };
      expect(nearestArchetype(summary)).toMatchObject({ id, distance: 0 });
    }
  });

  it('are nobody’s of whom nothing was learned', () => {
    expect(nearestArchetype(summarise(EMPTY_SUMS))).toBeNull();
  });
});
