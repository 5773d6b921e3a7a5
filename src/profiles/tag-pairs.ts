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
  DET NOUN 492 | NOUN ADP 412 | ADP DET 381 | ADJ NOUN 348 | VERB ADP 222 | DET ADJ 211 | NOUN . 206 |
  NOUN NOUN 197 | NOUN , 186 | ADP NOUN 180 | PART VERB 168 | PRON VERB 165 | VERB DET 150 | PROPN PROPN 117 |
  VERB PRON 120 | ADP PRON 115 | ^ PRON 117 | NOUN VERB 102 | NOUN CCONJ 94.4 | ADP PROPN 89.8 |
  PRON NOUN 90.6 | ^ PROPN 89.5 | VERB NOUN 86.8 | ADV VERB 84.6 | DET PROPN 78.1 | ADV ADJ 75.5 |
  , CCONJ 74.7 | PROPN NOUN 70 | NOUN PRON 71.2 | ADP ADJ 68.6 | ADJ ADP 65.4 | ^ DET 64.3 | PROPN , 62.2 |
  , PRON 63.4 | VERB PART 55.4 | CCONJ NOUN 53.5 | VERB ADV 51.2 | NOUN ADV 51.6 | SCONJ PRON 52.2 |
  NUM NOUN 50.2 | NOUN PART 50.1 | ^ ADV 47.9 | PROPN VERB 44 | VERB . 44.1 | CCONJ VERB 44 | ADV ADP 43.2 |
  VERB ADJ 41.6 | , DET 39.1 | PROPN ADP 41.2 | PROPN . 39.9 | CCONJ PRON 39.7 | ADV PRON 40.9 | NOUN - 40 |
  VERB , 38.3 | , VERB 36.8 | , ADV 37.1 | - NOUN 36.5 | ^ ADP 36.5 | , PROPN 35 | , ADP 34.4 | ADP VERB 36.1 |
  ADV ADV 34.2 | ADV , 35 | , NOUN 33 | PRON ADV 35.2 | ADP ADP 32.4 | PRON ADP 34.5 | CCONJ DET 32.9 |
  ADP NUM 31.2 | VERB SCONJ 30.7 | ADJ , 30.5 | PRON ADJ 30.6 | NOUN " 28.1 | ADV DET 30.2 | VERB PROPN 28.4 |
  CCONJ ADJ 28.5 | NOUN DET 27.5 | ADJ . 27.7 | CCONJ ADV 26.6 | DET ADV 27.4 | NOUN ADJ 25.2 | SCONJ DET 24.1 |
  PROPN CCONJ 23.8 | PART NOUN 23.4 | PROPN PART 22.4 | ADJ ADJ 23.8 | ADP ADV 23.1 | VERB VERB 22.8 |
  NOUN PROPN 20.3 | ADJ CCONJ 22.2 | ^ " 20.1 | ADV . 22.2 | PRON PRON 21.4 | ^ NOUN 18.6 | CCONJ PROPN 20.2 |
  NUM NUM 16.7 | PRON . 20.5 | " PROPN 16.8 | " NOUN 18.1 | PRON , 18.5 | VERB CCONJ 18.9 | ^ CCONJ 18.2 |
  ADJ PART 18.4 | PROPN " 15 | ^ VERB 18.9 | NOUN ( 17.1 | , ADJ 16.7 | NOUN SCONJ 16.7 | " . 15.7 |
  ADJ PROPN 16.5 | NOUN ) 17.2 | DET NUM 16.5 | NOUN : 11.9 | NUM ADP 14.8 | CCONJ ADP 14.5 | PART ADV 13.8 |
  PRON DET 14.4 | ^ SCONJ 13.5 | DET VERB 13.3 | PROPN NUM 12.3
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
