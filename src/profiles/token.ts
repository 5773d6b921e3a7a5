/**
 * A text taken apart: tokens, sentences, lines.
 *
 * Promises: plain data and pure functions over it; list items are sentences of their own.
 */

import type { PartOfSpeech } from 'wink-nlp';

/** What a token is; a `break` is a run of line ends, a `bullet` belongs to the mark of a list item. */
export type TokenKind = 'word' | 'number' | 'punctuation' | 'emoji' | 'bullet' | 'break' | 'other';

/** One token of a text. */
export interface Token {
  /** As written, with straight apostrophes. */
  readonly text: string;
  /** Lower case, contractions expanded (`n't` is `not`). */
  readonly normal: string;
  readonly kind: TokenKind;
  readonly pos: PartOfSpeech;
  /** Does a space, a line end or nothing at all come before it? */
  readonly spaced: boolean;
  /** Is it written together with the word before it, as `n't` in `don't` and `'s` in `Ann's`? */
  readonly glued: boolean;
  /** Is it part of a contraction such as `don't`, `we'll`, `it's`? */
  readonly contracted: boolean;
}

/** Is this token counted as a word of its sentence? */
export function isWord(token: Token): boolean {
  return token.kind === 'word' || token.kind === 'number';
}

/** A text, taken apart. */
export interface Analysis {
  /** Sentences in order; a list item is a sentence of its own. `break` tokens end a sentence and belong to it. */
  readonly sentences: readonly (readonly Token[])[];
  /** The lines of the part that was analysed. */
  readonly lines: readonly string[];
  /** Flesch reading ease as the library counts it, null when there is no word. */
  readonly readingEase: number | null;
  /** −1 (negative) – 1 (positive), 0 without words that carry sentiment. */
  readonly sentiment: number;
}

/** Does this line begin like a list item: a bullet, or a number or letter with a point or bracket? */
export const LIST_ITEM = /^\s*(?:[-*•◦‣–]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s+\S/;

/** Tokens from here that mark a list item: 0 when there is none. */
function bulletLength(tokens: readonly Token[], at: number): number {
  const [first, second, third] = tokens.slice(at, at + 3).map((token) => token.text);
  if (first === undefined) return 0;
  if (/^[-*•◦‣–]$/.test(first)) return 1;
  if (first === '(') return /^(\d{1,3}|[a-zA-Z])$/.test(second ?? '') && third === ')' ? 3 : 0;
  return /^(\d{1,3}|[a-zA-Z])$/.test(first) && /^[.)]$/.test(second ?? '') ? 2 : 0;
}

/** The same tokens, with the marks of list items told apart from words and punctuation. */
export function markBullets(tokens: readonly Token[]): Token[] {
  const marked = [...tokens];
  for (let i = 0; i < marked.length; i += 1) {
    if (i > 0 && marked[i - 1]?.kind !== 'break') continue;
    const length = bulletLength(marked, i);
    for (const [k, token] of marked.slice(i, i + length).entries()) marked[i + k] = { ...token, kind: 'bullet' };
  }
  return marked;
}

/**
 * Sentences from the library's spans: list items are cut apart, line ends close a sentence rather than open one, and
 * what has no word joins its neighbour (the item it marks, or the sentence before it).
 */
export function sentencesOf(tokens: readonly Token[], spans: readonly (readonly number[])[]): Token[][] {
  const starts = new Set(spans.map(([start]) => start));
  const sentences: Token[][] = [];
  let wordless = true;
  let marks = false;
  for (const [i, token] of tokens.entries()) {
    const newItem = token.kind === 'bullet' && tokens[i - 1]?.kind === 'break';
    const opens =
      newItem || (starts.has(i) && token.kind !== 'break') || (starts.has(i - 1) && tokens[i - 1]?.kind === 'break');
    const joins = wordless && (marks || !newItem);
    if (sentences.length === 0 || (opens && !joins)) {
      sentences.push([]);
      wordless = true;
      marks = false;
    }
    sentences.at(-1)?.push(token);
    wordless &&= token.kind !== 'word';
    marks ||= token.kind === 'bullet';
  }
  return sentences;
}
