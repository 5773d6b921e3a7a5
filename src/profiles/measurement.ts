/**
 * From an analysed text to its numbers: one value per style feature, one frequency per common word.
 *
 * Promises: every value is finite, inside its feature's range and rounded to six significant digits; a text without
 * words has the smallest (or neutral) value everywhere and a word count of 0. Formulas: docs/learning.md.
 */

import { compact, eachFeature, type FeatureName } from './features.ts';
import { FREQUENT_WORD_PLACES } from './frequent-words.ts';
import { closes, countParagraphs, greets } from './layout.ts';
import { countPhrases, FIRST_PERSON, HEDGES, INTENSIFIERS, SECOND_PERSON } from './lexicons.ts';
import { countDashes, formality, hasPassive, oxfordHabit } from './syntax.ts';
import { TAG_PAIR_PLACES, tagPairsOf } from './tag-pairs.ts';
import { type Analysis, isWord, LIST_ITEM, type Token } from './token.ts';

/** The style of one text in numbers. */
export interface StyleMeasure {
  /** Value of each feature, in the feature's unit. */
  readonly features: Readonly<Record<FeatureName, number>>;
  /** Relative frequency (0–1) of each of `FREQUENT_WORDS`, in their order. */
  readonly words: readonly number[];
  /** Relative frequency (0–1) of each of `TAG_PAIRS`, in their order. */
  readonly pairs: readonly number[];
  /** Words and numbers; a contraction is one word. */
  readonly wordCount: number;
  readonly sentenceCount: number;
}

/** Measure an analysed text. */
export function measure(analysis: Analysis): StyleMeasure {
  const sentences = analysis.sentences.filter((sentence) => sentence.some(isWord));
  const tokens = analysis.sentences.flat();
  const words = tokens.filter((token) => token.kind === 'word');
  const wordCount = tokens.filter((token) => isWord(token) && !token.glued).length;
  const raw = wordCount === 0 ? {} : values(analysis, sentences, tokens, words, wordCount);
  return {
    features: eachFeature(({ name, min, max }) => compact(Math.min(max, Math.max(min, raw[name] ?? Math.max(0, min))))),
    words: frequencies(
      words.map((word) => word.normal),
      FREQUENT_WORD_PLACES,
    ),
    pairs: frequencies(analysis.sentences.flatMap(tagPairsOf), TAG_PAIR_PLACES),
    wordCount,
    sentenceCount: sentences.length,
  };
}

type Sentence = readonly Token[];

function values(
  analysis: Analysis,
  sentences: readonly Sentence[],
  tokens: readonly Token[],
  words: readonly Token[],
  wordCount: number,
): Partial<Record<FeatureName, number>> {
  const per100 = (count: number) => (100 * count) / wordCount;
  const marks = countBy(tokens, (token) => (token.kind === 'punctuation' ? token.text : token.kind));
  const mark = (...texts: string[]) => per100(texts.reduce((sum, text) => sum + (marks.get(text) ?? 0), 0));
  const lengths = sentences.map((sentence) => sentence.filter((token) => isWord(token) && !token.glued).length);
  const normals = words.map((word) => word.normal);
  const filled = analysis.lines.filter((line) => line.trim() !== '');
  const inSentences = (count: (sentence: Sentence) => number) => sentences.reduce((sum, one) => sum + count(one), 0);
  return {
    sentenceLength: mean(lengths),
    sentenceSpread: deviation(lengths),
    wordLength: letters(words) / Math.max(1, words.filter((word) => !word.glued).length),
    lexicalVariety: movingVariety(normals),
    contractions: per100(tokens.filter((token) => token.contracted).length),
    exclamations: mark('!', '!!', '!!!'),
    questions: mark('?', '??', '???'),
    commas: mark(','),
    semicolons: mark(';'),
    colons: mark(':'),
    dashes: per100(inSentences(countDashes)),
    parentheses: mark('('),
    quotations: mark('"', '“', '”', '„', '«', '»') / 2,
    ellipses: mark('...', '…', '....', '..'),
    oxfordComma: oxfordHabit(sentences),
    emoji: mark('emoji'),
    hedges: per100(inSentences((sentence) => countPhrases(phrasesOf(sentence), HEDGES))),
    intensifiers: per100(inSentences((sentence) => countPhrases(phrasesOf(sentence), INTENSIFIERS))),
    passive: inSentences((sentence) => (hasPassive(sentence) ? 1 : 0)) / sentences.length,
    formality: formality(words),
    firstPerson: per100(normals.filter((word) => FIRST_PERSON.has(word)).length),
    secondPerson: per100(normals.filter((word) => SECOND_PERSON.has(word)).length),
    greeting: greets(analysis.sentences) ? 1 : 0,
    signOff: closes(analysis.sentences) ? 1 : 0,
    paragraphLength: wordCount / countParagraphs(analysis.lines),
    listItems: filled.filter((line) => LIST_ITEM.test(line)).length / filled.length,
    readability: analysis.readingEase ?? 0,
    sentiment: analysis.sentiment,
  };
}

/** The words of a sentence, names blanked out: May is not may. */
function phrasesOf(sentence: Sentence): string[] {
  const words = sentence.filter((token) => token.kind === 'word');
  return words.map(({ pos, text, normal }, i) => {
    const isName = pos === 'PROPN' || (i > 0 && /^\p{Lu}\p{Ll}/u.test(text));
    return isName ? '' : normal;
  });
}

function frequencies(items: readonly string[], places: ReadonlyMap<string, number>): number[] {
  const counts = Array.from(places, () => 0);
  for (const item of items) {
    const place = places.get(item);
    if (place !== undefined) counts[place] = (counts[place] ?? 0) + 1;
  }
  return counts.map((count) => (count === 0 ? 0 : compact(count / items.length)));
}

function letters(words: readonly Token[]): number {
  let sum = 0;
  for (const { text } of words) sum += text.replace(/[^\p{L}\p{N}]/gu, '').length;
  return sum;
}

/** Words in one window of the moving-average type-token ratio (Covington & McFall 2010). */
const WINDOW = 50;

/** Distinct share of every run of `WINDOW` words, averaged; of a shorter text, what is beyond its length. */
function movingVariety(words: readonly string[]): number {
  const counts = new Map<string, number>();
  let sum = 0;
  for (const [i, word] of words.entries()) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
    const leaving = words[i - WINDOW];
    if (leaving !== undefined) {
      const left = (counts.get(leaving) ?? 1) - 1;
      if (left === 0) counts.delete(leaving);
      else counts.set(leaving, left);
    }
    if (i >= WINDOW - 1) sum += counts.size / WINDOW;
  }
  if (words.length >= WINDOW) return sum / (words.length - WINDOW + 1);
  // A short text repeats less: typical is TYPICAL_VARIETY ** (words / WINDOW). What it departs from that counts in part.
  const part = words.length / WINDOW;
  const ratio = counts.size / Math.max(1, words.length) / TYPICAL_VARIETY ** part;
  return TYPICAL_VARIETY * (1 + part * (ratio - 1));
}

const TYPICAL_VARIETY = eachFeature((feature) => feature.typical).lexicalVariety;

function countBy<T>(items: readonly T[], key: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return counts;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

function deviation(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
}
