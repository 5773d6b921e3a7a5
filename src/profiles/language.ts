/**
 * The one door to the linguistic library (wink-nlp and its English model): text in, tokens and sentences out.
 *
 * Promises: the same text always gives the same analysis, whatever was analysed before it in this process; any string
 * is answered in bounded time (the limits of `preparation.ts`); the library is loaded on first use, so
 * that no process pays for it that never analyses a text (about 120 ms and 30 MB).
 */

import type { Document, PartOfSpeech, WinkMethods } from 'wink-nlp';
import { prepare } from './preparation.ts';
import { type Analysis, markBullets, sentencesOf, type Token, type TokenKind } from './token.ts';

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
  // The package's own function for this part, which only custom entities need, doubles a string at every call.
  const lean = { ...model, metaCER: () => ({ machines: '', transformers: [] }) };
  return () => ({ nlp: winkNlp(lean, ['sbd', 'pos', 'sentiment', 'negation']), unknown: 0 });
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

function read(reader: Reader, text: string): Analysis {
  const { nlp } = reader;
  const { its } = nlp;
  const document = nlp.readDoc(text);
  const tokens = markBullets(tokensOf(document, nlp));
  for (const token of tokens) if (token.kind !== 'punctuation' && document.isOOV(token.text)) reader.unknown += 1;
  const hasWord = tokens.some((token) => token.kind === 'word');
  const spans = document.sentences().out(its.span) as number[][];
  const stats = hasWord ? document.out(its.readabilityStats) : undefined;
  const sentiment = document.out(its.sentiment);
  return {
    sentences: sentencesOf(tokens, spans),
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
    const spaced = spaces[i] !== '' || i === 0 || kinds[i - 1] === 'tabCRLF';
    const kind = kindOf(kinds[i] ?? '', text, spaced);
    const apostrophe = text.includes("'");
    return {
      text,
      // The library also maps spellings (through: thru), which are style, so only its expansions are taken.
      normal: (contracted[i] === true ? normals[i] : undefined) ?? text.toLowerCase(),
      kind,
      pos: tags[i] ?? 'X',
      spaced,
      glued: kind === 'word' && apostrophe && !spaced && kinds[i - 1] === 'word',
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
  if (kind === 'unk' || kind === 'alien') return /\p{L}/u.test(text) ? 'word' : 'punctuation';
  return kind === 'symbol' ? 'punctuation' : 'other';
}
