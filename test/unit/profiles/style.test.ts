import { describe, expect, it } from 'vitest';
import { extractDeltas, measureStyle } from '../../../src/profiles/style.ts';

/** Texts that have broken analysers: long runs, no words, other scripts, wrong code units. */
const HOSTILE: readonly (readonly [name: string, text: string])[] = [
  ['nothing', ''],
  ['only spaces', ' \t\n \r\n  '],
  ['one run of letters', 'a'.repeat(100_000)],
  ['addresses without spaces', 'http://'.repeat(14_000)],
  ['Chinese', '我喜欢写短句。你呢？'.repeat(10_000)],
  ['Japanese', 'これは短い文です。'.repeat(5_000)],
  ['emoji alone', '😀👍🏽👨‍👩‍👧 '.repeat(5_000)],
  ['stacked accents', `Z${'\u0351'.repeat(40)}`.repeat(2_000)],
  ['lone surrogates', '\ud800abc \udfff'.repeat(5_000)],
  ['control characters', '\u0000\u0007a\u001b '.repeat(10_000)],
  ['marks alone', '!?;—…'.repeat(20_000)],
  ['names of object properties', '__proto__ constructor toString hasOwnProperty '.repeat(1_000)],
  ['no full stop', 'word '.repeat(20_000)],
  ['other line ends', 'one\u2028two\u0085three\r'.repeat(5_000)],
];

describe('any text is measured', () => {
  it.each(HOSTILE)('%s', async (_, text) => {
    const measure = await measureStyle(text);
    const numbers = [...Object.values(measure.features), ...measure.words, ...measure.pairs, measure.wordCount];
    expect(numbers.every(Number.isFinite)).toBe(true);
    const deltas = await extractDeltas(text, 'A short and friendly text.');
    expect(JSON.parse(JSON.stringify(deltas))).toEqual(deltas);
    expect(JSON.stringify(deltas).length).toBeLessThan(10_000);
  });

  it('bounds the work for two long texts that share nothing', async () => {
    const text = (prefix: string) =>
      Array.from({ length: 20_000 }, (_, i) => `${prefix}${i}${i % 9 ? '' : '.'}`).join(' ');
    const deltas = await extractDeltas(text('a'), text('b'));
    expect(deltas.editShare).toBe(1);
    expect(deltas.substitutions).toEqual([]);
    expect(deltas.wordCount).toBeLessThanOrEqual(20_000);
  });

  it('counts each character of a script without spaces as a word', async () => {
    const { wordCount, sentenceCount } = await measureStyle('我喜欢。你呢？');
    expect({ wordCount, sentenceCount }).toEqual({ wordCount: 5, sentenceCount: 2 });
  });
});

describe('the same text has the same measure', () => {
  const text = "Dear Zorblat, the quxification was frobbed by Mx. Plinth-Gorm; I don't zwingle! Yours, Kvothe";

  it('whatever was analysed before', async () => {
    const fresh = await measureStyle(text);
    for (let round = 0; round < 4; round += 1) {
      const strange = Array.from(
        { length: 2_000 },
        (_, i) => `${(i * 7919 + round).toString(36)}Ω${'x-'.repeat(i % 5)}`,
      );
      for (let at = 0; at < strange.length; at += 200) await measureStyle(strange.slice(at, at + 200).join(' '));
    }
    expect(await measureStyle(text)).toEqual(fresh);
  });

  it('also when many are analysed at once', async () => {
    const [first, ...others] = await Promise.all(Array.from({ length: 20 }, () => extractDeltas(text, `${text} Bye.`)));
    for (const other of others) expect(other).toEqual(first);
  });
});

describe('the deltas of an edit', () => {
  it('are nothing for an edit that changed nothing', async () => {
    const deltas = await extractDeltas('We stay. We read.', 'We stay. We read.');
    expect(deltas).toMatchObject({ editShare: 0, substitutions: [], cuts: [], insertions: {}, deletions: {} });
    expect(deltas.after).toEqual(deltas.before);
  });

  it('are nothing between two texts without words', async () => {
    expect(await extractDeltas('', '  \n')).toMatchObject({ editShare: 0, wordCount: 0, insertions: {} });
  });

  it('do not see where lines are wrapped', async () => {
    expect((await extractDeltas('We stay here and\nread a book.', 'We stay here\nand read a book.')).editShare).toBe(0);
  });

  it('are everything for a text written from nothing', async () => {
    expect(await extractDeltas('', 'We stay.')).toMatchObject({ editShare: 1, insertions: { word: 2, sentence: 1 } });
  });

  it('name exchanged words, phrases and contractions', async () => {
    const { substitutions } = await extractDeltas(
      'We should utilize the new tool, and we do not wait. He made a decision about the trip.',
      "We should use the new tool, and we don't wait. He decided about the trip.",
    );
    expect(substitutions).toEqual([
      { from: 'utilize', to: 'use', count: 1 },
      { from: 'do not', to: "don't", count: 1 },
      { from: 'made a decision', to: 'decided', count: 1 },
    ]);
  });

  it('count how often words were exchanged', async () => {
    const { substitutions } = await extractDeltas(
      'We utilize the tool. They utilize the car. You utilize the time.',
      'We use the tool. They use the car. You use the time.',
    );
    expect(substitutions).toEqual([{ from: 'utilize', to: 'use', count: 3 }]);
  });

  it('name no substitution in a rewritten text', async () => {
    const { substitutions } = await extractDeltas(
      'The committee postponed a vote on the harbour until spring.',
      'Nobody expected that my sister would sell her boat to the baker.',
    );
    expect(substitutions).toEqual([]);
  });

  it('name phrases that were cut', async () => {
    const { cuts } = await extractDeltas('We basically won the game in the end.', 'We won the game in the end.');
    expect(cuts).toEqual(['basically']);
  });

  it('count what was put in and taken out, by kind', async () => {
    const deltas = await extractDeltas(
      'I think we could perhaps meet. This sentence goes away.',
      'Hi Tom,\n\nWe could really meet! 😀\n\nBest,\nAda',
    );
    expect(deltas.deletions).toMatchObject({ hedge: 2, word: 7, punctuation: 2 });
    expect(deltas.insertions).toMatchObject({ greeting: 1, signOff: 1, intensifier: 1, emoji: 1, paragraph: 2 });
  });

  it('count sentences that were taken out or put in', async () => {
    const long = 'We met at noon. The soup was cold. Nobody said a word about it. Then we left.';
    const short = 'We met at noon. Then we left.';
    expect((await extractDeltas(long, short)).deletions.sentence).toBe(2);
    expect((await extractDeltas(short, long)).insertions.sentence).toBe(2);
  });

  it('stay small however much was exchanged', async () => {
    const words = Array.from({ length: 300 }, (_, i) =>
      `word${String.fromCharCode(97 + (i % 26))}x`.repeat(1 + (i % 3)),
    );
    const before = words.map((word) => `We ${word} the old house.`).join(' ');
    const after = words.map((word) => `We ${word}ly the old house.`).join(' ');
    const deltas = await extractDeltas(before, after);
    expect(deltas.substitutions.length).toBeLessThanOrEqual(20);
    expect(JSON.stringify(deltas).length).toBeLessThan(10_000);
  });
});
