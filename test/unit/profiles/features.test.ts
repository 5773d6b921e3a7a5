import { describe, expect, it } from 'vitest';
import { FEATURES, type FeatureName, measureStyle } from '../../../src/profiles/style.ts';

/** For each feature a text with less of it, and one with more. */
const PAIRS: Record<FeatureName, readonly [less: string, more: string]> = {
  sentenceLength: ['It rains. We stay. We read.', 'Because it rains today, we stay at home and read a long book.'],
  sentenceSpread: ['We read a book. We eat a cake.', 'Stop. We read a very long book about trees until the rain ends.'],
  wordLength: ['We go to see the sea.', 'Environmental considerations notwithstanding, legislators deliberated.'],
  lexicalVariety: [
    'We see the sea and the sea and the sea and the sea.',
    'Nine grey gulls circle above that distant harbour wall.',
  ],
  contractions: ['I do not think it is here.', "I don't think it's here."],
  exclamations: ['This is good. We won.', 'This is good! We won!'],
  questions: ['You are coming. It is late.', 'Are you coming? Is it late?'],
  commas: ['The old red house stood there.', 'The old, red, crooked house, alas, stood there.'],
  semicolons: ['The sun rose. The birds sang.', 'The sun rose; the birds sang.'],
  colons: ['We need salt and oil.', 'We need two things: salt and oil.'],
  dashes: ['The well-known house was old and cold.', 'The house — old and cold - stood there -- alone.'],
  parentheses: ['The house was old and cold.', 'The house (an old one) was cold (very).'],
  quotations: ['He said that he would come.', 'He said "I will come" and “soon” too.'],
  ellipses: ['Well. I do not know.', 'Well... I do not know…'],
  oxfordComma: ['We bought apples, pears and plums.', 'We bought apples, pears, and plums.'],
  emoji: ['See you there.', 'See you there 🎉 :)'],
  hedges: ['This is the best way.', 'I think this is perhaps somewhat the best way.'],
  intensifiers: ['This is a good day.', 'This is a really, absolutely good day.'],
  passive: ['Ann wrote the report. It is good.', 'The report was carefully written by Ann. It is good.'],
  formality: [
    'I just saw him and he said he really loves it.',
    'The annual review of the regional budget precedes the vote.',
  ],
  firstPerson: ['The team wrote the report.', 'We wrote our report for me.'],
  secondPerson: ['The report is ready.', 'Your report is ready for you.'],
  greeting: ['The report is ready.', 'Hi Tom,\n\nthe report is ready.'],
  signOff: ['The report is ready. It is long.', 'The report is ready. It is long.\n\nBest regards,\nAda'],
  paragraphLength: ['One two.\n\nThree four.\n\nFive six.', 'One two. Three four. Five six.'],
  listItems: ['We need salt.\nWe need oil.', 'We need:\n- salt\n- oil'],
  readability: ['Environmental considerations necessitate deliberation.', 'The cat sat on the mat.'],
  sentiment: ['This is a terrible, sad and awful day.', 'This is a wonderful, happy and lovely day.'],
};

describe('every feature moves in its documented direction', () => {
  it.each(FEATURES.map((feature) => [feature.name, feature.direction] as const))('%s: %s', async (name) => {
    const [less, more] = PAIRS[name];
    const [low, high] = [await measureStyle(less), await measureStyle(more)];
    expect(high.features[name]).toBeGreaterThan(low.features[name]);
  });
});

/** Values that can be counted by hand. */
const COUNTED: readonly (readonly [feature: FeatureName, text: string, value: number])[] = [
  ['sentenceLength', 'It rains today. We stay.', 2.5],
  ['sentenceSpread', 'It rains today. We stay.', 0.5],
  ['wordLength', 'It rains.', 3.5],
  ['contractions', "I don't think it's here.", 40],
  ['contractions', "Ann's dog cannot bark.", 0],
  ['exclamations', 'Yes! We won!', 66.6667],
  ['dashes', 'A well-known path.', 0],
  ['quotations', 'He said "yes" to us.', 20],
  ['oxfordComma', 'In May, cats and dogs came.', 0],
  ['oxfordComma', 'Red, white, and blue. Tea, milk and jam.', 0],
  ['hedges', 'In May we might perhaps go.', 33.3333],
  ['passive', 'It was not yet done. She was tired.', 0.5],
  ['greeting', 'We said hello.', 0],
  ['signOff', 'Love the new design of this page, it is great.', 0],
  ['paragraphLength', 'One two.\n\n\nThree four.', 2],
  ['listItems', 'Buy:\n1. salt\n2. oil\nNow.', 0.5],
  ['emoji', 'Good morning 😀😀', 100],
];

describe('a feature is the number that its formula gives', () => {
  it.each(COUNTED)('%s of "%s" is %d', async (name, text, value) => {
    expect((await measureStyle(text)).features[name]).toBe(value);
  });
});

describe('the measure of a text', () => {
  it('counts a contraction as one word', async () => {
    expect((await measureStyle("We don't know.")).wordCount).toBe(3);
  });

  it('takes list items as sentences', async () => {
    expect((await measureStyle('Buy:\n- salt\n- oil')).sentenceCount).toBe(3);
  });

  it('reads the same with straight and curly apostrophes', async () => {
    expect(await measureStyle('I don’t know what it’s for.')).toEqual(
      await measureStyle("I don't know what it's for."),
    );
  });

  it('gives relative frequencies of common words', async () => {
    const { words } = await measureStyle('The dog and the cat.');
    expect(words.slice(0, 3)).toEqual([0.4, 0, 0.2]);
  });

  it('keeps every value inside the range of its feature', async () => {
    const { features } = await measureStyle(`!!! ${'word '.repeat(3000)} ??? 😀`);
    for (const { name, min, max } of FEATURES) {
      expect(features[name]).toBeGreaterThanOrEqual(min);
      expect(features[name]).toBeLessThanOrEqual(max);
    }
  });
});
