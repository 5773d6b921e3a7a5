/**
 * Pairs of neighbouring parts of speech: a fingerprint of grammar, which tells writers apart whatever they write about.
 *
 * Promises: a fixed list in a fixed order, because stored frequencies are told apart by their place alone; it may only
 * ever be appended to. A tag is a part of speech, a mark itself, or `^` for the start of a sentence. Source: the 120
 * most frequent pairs in the texts of `reference-frequencies.ts`, with their mean relative frequencies there.
 */

import type { Token } from './token.ts';

/** The tag of a token; undefined for what is no part of the sentence. */
function tagOf({ kind, pos, text }: Token): string | undefined {
  if (kind === 'break' || kind === 'bullet') return undefined;
  if (kind !== 'punctuation') return pos;
  const mark = text.slice(0, 1);
  return mark === '“' || mark === '”' ? '"' : mark;
}

/** The pairs of a sentence, each as two tags with a space between. */
export function tagPairsOf(sentence: readonly Token[]): string[] {
  const pairs: string[] = [];
  let before = '^';
  for (const token of sentence) {
    const tag = tagOf(token);
    if (tag === undefined) continue;
    pairs.push(`${before} ${tag}`);
    before = tag;
  }
  return pairs;
}

/** Pairs, commonest first, and their uses per 10,000. */
const TABLE = `
  DET NOUN 490 | NOUN ADP 413 | ADP DET 379 | ADJ NOUN 348 | VERB ADP 222 | DET ADJ 208 | NOUN . 206 |
  NOUN NOUN 195 | NOUN , 187 | ADP NOUN 179 | PART VERB 165 | PRON VERB 162 | VERB DET 148 | PROPN PROPN 121 |
  VERB PRON 117 | ADP PRON 114 | ^ PRON 113 | NOUN VERB 103 | NOUN CCONJ 93.3 | ADP PROPN 91.3 | PRON NOUN 90 |
  ^ PROPN 86.3 | VERB NOUN 85.9 | ADV VERB 83.1 | DET PROPN 77.5 | ADV ADJ 75.3 | , CCONJ 74.5 |
  PROPN NOUN 70.3 | NOUN PRON 69.3 | ADP ADJ 68.6 | ADJ ADP 65.2 | ^ DET 64.5 | PROPN , 63.7 | , PRON 62.5 |
  VERB PART 53.7 | CCONJ NOUN 53.5 | VERB ADV 51.5 | NOUN ADV 51.1 | SCONJ PRON 50.9 | NUM NOUN 49.9 |
  NOUN PART 49.7 | ^ ADV 45 | PROPN VERB 44.3 | VERB . 44.1 | CCONJ VERB 43.3 | ADV ADP 42.6 | VERB ADJ 41.7 |
  , DET 40.2 | PROPN ADP 39.6 | PROPN . 39.5 | CCONJ PRON 39.3 | ADV PRON 39.2 | NOUN - 39.2 | VERB , 38.5 |
  , VERB 37.3 | , ADV 36.7 | - NOUN 35.7 | ^ ADP 35.6 | , PROPN 35.2 | , ADP 35 | ADP VERB 34.9 | ADV ADV 34.8 |
  ADV , 34.3 | , NOUN 34.1 | PRON ADV 33.8 | ADP ADP 32.8 | PRON ADP 32.7 | CCONJ DET 32.7 | ADP NUM 31.3 |
  VERB SCONJ 30.7 | ADJ , 30.5 | PRON ADJ 30.3 | NOUN " 29.7 | ADV DET 29 | VERB PROPN 28.5 | CCONJ ADJ 27.6 |
  NOUN DET 27.6 | ADJ . 26.9 | CCONJ ADV 26.7 | DET ADV 26.7 | NOUN ADJ 25 | SCONJ DET 24.7 | PROPN CCONJ 23.4 |
  PART NOUN 23.2 | PROPN PART 23.2 | ADJ ADJ 22.6 | ADP ADV 22.4 | VERB VERB 22.2 | NOUN PROPN 21.6 |
  ADJ CCONJ 21.6 | ^ " 21.4 | ADV . 21 | PRON PRON 21 | ^ NOUN 20.5 | CCONJ PROPN 20.1 | NUM NUM 19.8 |
  PRON . 19.5 | " PROPN 19.3 | " NOUN 19.2 | PRON , 18.6 | VERB CCONJ 18.3 | ^ CCONJ 17.9 | ADJ PART 17.9 |
  PROPN " 17.4 | ^ VERB 17.3 | NOUN ( 17.2 | , ADJ 16.8 | NOUN SCONJ 16.8 | " . 16.6 | ADJ PROPN 16.3 |
  NOUN ) 16.2 | DET NUM 16 | NOUN : 15.7 | NUM ADP 14.5 | CCONJ ADP 14.4 | PART ADV 13.4 | PRON DET 13.4 |
  ^ SCONJ 13.4 | DET VERB 13.4 | PROPN NUM 13.2
`;

const ROWS = TABLE.split('|').map((row) => {
  const [first = '', second = '', count = ''] = row.trim().split(' ');
  return { pair: `${first} ${second}`, count: Number(count) };
});

/** The pairs that are counted. */
export const TAG_PAIRS: readonly string[] = ROWS.map((row) => row.pair);

/** The place of each pair in the list. */
export const TAG_PAIR_PLACES: ReadonlyMap<string, number> = new Map(TAG_PAIRS.map((pair, i) => [pair, i]));

/** Relative frequency (0–1) of each of `TAG_PAIRS` in ordinary English. */
export const REFERENCE_PAIRS: readonly number[] = ROWS.map((row) => row.count / 10_000);
