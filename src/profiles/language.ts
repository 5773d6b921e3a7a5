/**
 * The one door to the linguistic library (wink-nlp and its English model): text in, tokens and sentences out.
 *
 * Promises: the same text always gives the same analysis, whatever was analysed before it in this process; any string
 * is answered in bounded time (`WORD_LIMIT`, `CHARACTER_LIMIT`, `CHUNK_LIMIT`); the library is loaded on first use, so
 * that no process pays for it that never analyses a text (about 120 ms and 30 MB).
 */

import type { Document, PartOfSpeech, WinkMethods } from 'wink-nlp';

/** What a token is; a `break` is a run of line ends. */
export type TokenKind = 'word' | 'number' | 'punctuation' | 'emoji' | 'break' | 'other';

/** One token of a text. */
export interface Token {
  /** As written, with straight apostrophes. */
  readonly text: string;
  /** Lower case, contractions expanded (`n't` is `not`). */
  readonly normal: string;
  readonly kind: TokenKind;
  readonly pos: PartOfSpeech;
  /** Is it written together with the word before it, as `n't` in `don't` and `'s` in `Ann's`? */
  readonly glued: boolean;
  /** Is it part of a contraction such as `don't`, `we'll`, `it's`? */
  readonly contracted: boolean;
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

/** Words of a text that are looked at; what follows is ignored. */
export const WORD_LIMIT = 20_000;

/** Characters of a text that are looked at, before the word limit. */
export const CHARACTER_LIMIT = 120_000;

/** Characters without a space after which one is put in: the library's time is quadratic in the length of such a run. */
export const CHUNK_LIMIT = 100;

/**
 * The library keeps every unknown word it meets, for ever, and past 15,797 unknown word shapes their packed fields run
 * over into each other (14 bits, 587 taken). So an instance is replaced after this many unknown tokens …
 */
const UNKNOWN_LIMIT = 5_000;

/** … and a text too long to be sure of staying below that gets an instance of its own (54 ms). */
const SHORT_TEXT = 10_000;

interface Reader {
  readonly nlp: WinkMethods;
  unknown: number;
}

let build: Promise<() => Reader> | undefined;
let current: Reader | undefined;

async function load(): Promise<() => Reader> {
  const [{ default: winkNlp }, { default: model }] = await Promise.all([
    import('wink-nlp'),
    import('wink-eng-lite-web-model'),
  ]);
  return () => ({ nlp: winkNlp(model, ['sbd', 'pos', 'sentiment', 'negation']), unknown: 0 });
}

/** Take a text apart. Looks at the first `WORD_LIMIT` words. */
export async function analyse(text: string): Promise<Analysis> {
  build ??= load();
  const newReader = await build;
  const prepared = prepare(text);
  if (prepared.length > SHORT_TEXT) return read(newReader(), prepared);
  if (current === undefined || current.unknown > UNKNOWN_LIMIT) current = newReader();
  return read(current, prepared);
}

/** Wide punctuation with what it is in ASCII. */
const WIDE: Readonly<Record<string, string>> = { '。': '.', '！': '!', '？': '?', '，': ',', '、': ',', '；': ';', '：': ':' };

/**
 * The part of a text that is looked at, made safe: one kind of line end and apostrophe, no control characters, no run
 * without a space over `CHUNK_LIMIT`. In scripts written without spaces each character counts as a word.
 */
function prepare(text: string): string {
  const cut = text
    .slice(0, CHARACTER_LIMIT)
    .replace(/\p{Surrogate}/gu, ' ')
    .replace(/\r\n?|\u2028|\u2029|\u0085/g, '\n')
    .replace(/[’ʼ＇]/g, "'")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f\u200b\u2060\ufeff]/g, ' ')
    .replace(/[。！？，、；：]/g, (mark) => `${WIDE[mark] ?? mark} `)
    .replace(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]/gu, '$& ')
    .replace(CHUNK, '$& ');
  let words = 0;
  for (const match of cut.matchAll(/\S+/g)) {
    words += 1;
    if (words > WORD_LIMIT) return cut.slice(0, match.index);
  }
  return cut;
}

const CHUNK = new RegExp(`\\S{${CHUNK_LIMIT}}(?=\\S)`, 'gu');

function read(reader: Reader, text: string): Analysis {
  const { nlp } = reader;
  const { its } = nlp;
  const document = nlp.readDoc(text);
  const tokens = tokensOf(document, nlp);
  for (const token of tokens) if (token.kind !== 'punctuation' && document.isOOV(token.text)) reader.unknown += 1;
  const hasWord = tokens.some((token) => token.kind === 'word');
  const spans = document.sentences().out(its.span) as number[][];
  const stats = hasWord ? document.out(its.readabilityStats) : undefined;
  const sentiment = document.out(its.sentiment);
  return {
    sentences: spans.flatMap(([start = 0, end = -1]) => splitAtListItems(tokens.slice(start, end + 1))),
    lines: text.split('\n'),
    readingEase: typeof stats === 'object' && Number.isFinite(stats.fres) ? stats.fres : null,
    sentiment: typeof sentiment === 'number' && Number.isFinite(sentiment) ? sentiment : 0,
  };
}

function tokensOf(document: Document, { its }: WinkMethods): Token[] {
  const all = document.tokens();
  const normals = all.out(its.normal) as string[];
  const kinds = all.out(its.type) as string[];
  const tags = all.out(its.pos) as PartOfSpeech[];
  const spaces = all.out(its.precedingSpaces) as string[];
  const contracted = all.out(its.contractionFlag) as boolean[];
  return all.out().map((text, i): Token => {
    const kind = kindOf(kinds[i] ?? '', text, spaces[i] !== '' || i === 0);
    const apostrophe = text.includes("'");
    return {
      text,
      normal: normals[i] ?? text.toLowerCase(),
      kind,
      pos: tags[i] ?? 'X',
      glued: kind === 'word' && apostrophe && spaces[i] === '' && i > 0 && kinds[i - 1] === 'word',
      contracted: apostrophe && contracted[i] === true,
    };
  });
}

function kindOf(kind: string, text: string, afterSpace: boolean): TokenKind {
  if (kind === 'tabCRLF') return text.includes('\n') ? 'break' : 'other';
  if (kind === 'word' || kind === 'ordinal') return /[\p{L}\p{N}]/u.test(text) ? 'word' : 'punctuation';
  if (kind === 'number' || kind === 'punctuation' || kind === 'emoji') return kind;
  // ":/" inside an address is not a face.
  if (kind === 'emoticon') return afterSpace ? 'emoji' : 'punctuation';
  return kind === 'symbol' || kind === 'unk' ? 'punctuation' : 'other';
}

/** Does this line begin like a list item: a bullet, or a number or letter with a point or bracket? */
export const LIST_ITEM = /^\s*(?:[-*•◦‣–]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s+\S/;

/** The library ends sentences at empty lines but not between list items. */
function splitAtListItems(tokens: readonly Token[]): Token[][] {
  const parts: Token[][] = [[]];
  for (const [i, token] of tokens.entries()) {
    parts.at(-1)?.push(token);
    if (token.kind !== 'break') continue;
    const [first, second] = tokens.slice(i + 1, i + 3);
    if (first !== undefined && LIST_ITEM.test(`${first.text}${bracket(second?.text)} x`)) parts.push([]);
  }
  return parts.filter((part) => part.length > 0);
}

function bracket(text: string | undefined): string {
  return text === '.' || text === ')' ? text : '';
}
