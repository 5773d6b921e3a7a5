/**
 * What a text's outer form says about its style: greeting, sign-off, paragraphs.
 *
 * Promises: looks only at lines and at the first and last few sentences; never throws.
 */

import { GREETINGS, type Lexicon, phraseAt, SIGN_OFFS } from './lexicons.ts';
import { isWord, type Token } from './token.ts';

type Sentence = readonly Token[];

/** Longest sign-off, in words, a name included. */
const SIGN_OFF_WORDS = 7;

/** Parts at the end of a text among which a sign-off is looked for: itself, a name, a title. */
const LAST_PARTS = 3;

/** Does the text open with a greeting? */
export function greets(sentences: readonly Sentence[]): boolean {
  const first = sentences.find((sentence) => sentence.some(isWord)) ?? [];
  return phraseAt(normalsOf(first), 0, GREETINGS) > 0;
}

/** Does the text close with a sign-off: a short last part such as "Best, Ada" or "Thanks!"? */
export function closes(sentences: readonly Sentence[]): boolean {
  const parts = sentences
    .slice(-LAST_PARTS)
    .flatMap(splitAtBreaks)
    .filter((part) => part.some(isWord));
  const whole = sentences.length <= LAST_PARTS ? 1 : 0;
  return parts
    .slice(whole)
    .slice(-LAST_PARTS)
    .some((part) => isSignOff(part, SIGN_OFFS));
}

function isSignOff(part: Sentence, phrases: Lexicon): boolean {
  const words = normalsOf(part);
  const length = phraseAt(words, 0, phrases);
  if (length === 0 || words.length > SIGN_OFF_WORDS) return false;
  const last = part.filter(isWord)[length - 1];
  const next = part[last === undefined ? 0 : part.indexOf(last) + 1];
  return next === undefined || !isWord(next);
}

function splitAtBreaks(sentence: Sentence): Token[][] {
  const parts: Token[][] = [[]];
  for (const token of sentence) {
    if (token.kind === 'break') parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts;
}

function normalsOf(part: Sentence): string[] {
  return part.filter(isWord).map((token) => token.normal);
}

/** Blocks of lines between empty lines; at least 1. */
export function countParagraphs(lines: readonly string[]): number {
  let count = 0;
  let inside = false;
  for (const line of lines) {
    const filled = line.trim() !== '';
    if (filled && !inside) count += 1;
    inside = filled;
  }
  return Math.max(1, count);
}
