/**
 * What a text's grammar says about its style: passive voice, lists with and without the Oxford comma, dashes,
 * formality.
 *
 * Promises: works on tagged tokens, sentence by sentence, in linear time; a rule of thumb each, stated where it stands.
 */

import { ADJECTIVES_IN_ED, BE, IRREGULAR_PARTICIPLES } from './lexicons.ts';
import { isWord, type Token } from './token.ts';

type Sentence = readonly Token[];

/** Tokens that may stand between "to be" and its participle: adverbs and negations. */
const BETWEEN = 3;

/** Has the sentence a passive: a form of "to be" and, at most three adverbs on, a past participle? */
export function hasPassive(sentence: Sentence): boolean {
  const words = sentence.filter((token) => token.kind === 'word');
  return words.some((word, i) => isBe(word) && participleAfter(words, i));
}

function isBe({ normal, text }: Token): boolean {
  return BE.has(normal) || BE.has(text);
}

function participleAfter(words: Sentence, at: number): boolean {
  for (const word of words.slice(at + 1, at + 2 + BETWEEN)) {
    if (isParticiple(word)) return true;
    if (word.pos !== 'ADV' && word.pos !== 'PART' && word.normal !== 'being' && word.normal !== 'been') return false;
  }
  return false;
}

function isParticiple({ normal, pos }: Token): boolean {
  if (pos !== 'VERB' && pos !== 'ADJ') return false;
  return (
    IRREGULAR_PARTICIPLES.has(normal) || (normal.length > 4 && normal.endsWith('ed') && !ADJECTIVES_IN_ED.has(normal))
  );
}

/**
 * Lists of three and more with a comma before the last "and" or "or", less those without, over all of them: −1…1, 0
 * when there is no list. A list is a run of items of at most four words, between commas, whose last words are of the
 * same part of speech.
 */
export function oxfordHabit(sentences: readonly Sentence[]): number {
  let withComma = 0;
  let without = 0;
  for (const sentence of sentences) {
    for (const [i, token] of sentence.entries()) {
      if (token.pos !== 'CCONJ' || (token.normal !== 'and' && token.normal !== 'or')) continue;
      const comma = sentence[i - 1]?.text === ',';
      const item = itemBefore(sentence, comma ? i - 1 : i);
      const earlier = item === undefined ? undefined : itemBefore(sentence, item.start - 1);
      if (item === undefined || earlier === undefined || sentence[item.start - 1]?.text !== ',') continue;
      // "In May, cats and dogs" is no list.
      if (item.head !== earlier.head || (earlier.start === 0 && sentence[0]?.pos === 'ADP')) continue;
      if (comma) withComma += 1;
      else without += 1;
    }
  }
  return withComma + without === 0 ? 0 : (withComma - without) / (withComma + without);
}

/** Longest item of a list, in words. */
const ITEM_WORDS = 4;

/** The words that end before this place: where they start, and the part of speech of the last one. */
function itemBefore(sentence: Sentence, end: number): { start: number; head: string } | undefined {
  let start = end;
  while (start > 0 && end - start < ITEM_WORDS && isItemWord(sentence[start - 1])) start -= 1;
  const head = sentence[end - 1]?.pos;
  return start === end || head === undefined ? undefined : { start, head };
}

function isItemWord(token: Token | undefined): boolean {
  return token !== undefined && isWord(token) && token.pos !== 'AUX' && token.pos !== 'CCONJ' && token.pos !== 'SCONJ';
}

/** Dashes of a sentence: em and en dashes, double hyphens, and hyphens that stand alone between words. */
export function countDashes(sentence: Sentence): number {
  let count = 0;
  for (const [i, { kind, text, spaced }] of sentence.entries()) {
    if (kind !== 'punctuation') continue;
    if (/^(?:[—―‒]+|-{2,3})$/.test(text)) count += 1;
    else if ((text === '-' || text === '–') && spaced && i > 0 && sentence[i + 1]?.spaced === true) count += 1;
  }
  return count;
}

/** Parts of speech that make a text more formal (+1) or less (−1). */
const FORMAL: Readonly<Record<string, number>> = {
  NOUN: 1,
  PROPN: 1,
  ADJ: 1,
  ADP: 1,
  PRON: -1,
  VERB: -1,
  AUX: -1,
  ADV: -1,
  INTJ: -1,
};

/** F-score of Heylighen & Dewaele (1999), 0–100: shares of parts of speech in percent, and articles as formal. */
export function formality(words: Sentence): number {
  let sum = 0;
  for (const { pos, normal } of words) {
    const article = normal === 'the' || normal === 'a' || normal === 'an';
    sum += article ? 1 : (FORMAL[pos] ?? 0);
  }
  return ((100 * sum) / Math.max(1, words.length) + 100) / 2;
}
