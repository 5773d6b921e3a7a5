/**
 * How well `matchStyle` tells authors apart, beside Burrows' Delta on the same texts: `npm run bench:match`.
 *
 * Each author's profile is learned from 20 edits of about 200 words, through the same deltas and sums as in
 * production; then whoever scores highest on an unseen 300-word passage from another work is its author (top-1). Both
 * halves of the works take each part once. Prints one line an author and the totals; about 20 s. A folder of other
 * texts may be given as the argument.
 */

import { fileURLToPath } from 'node:url';
import { analyse } from '../../src/profiles/language.ts';
import { matchStyle } from '../../src/profiles/match.ts';
import { extractDeltas, measureStyle } from '../../src/profiles/style.ts';
import { addEdit, EMPTY_SUMS, type Summary, summarise } from '../../src/profiles/sums.ts';
import { burrowsDelta, type Words } from './burrows-delta.ts';
import { type Author, passagesOf, readAuthors } from './corpus.ts';
import { neutralText } from './neutral-text.ts';

const EDITS = 20;
const EDIT_WORDS = 200;
const PASSAGE_WORDS = 300;
const PASSAGES = 40;
const DAY_MS = 86_400_000;

interface Tally {
  passages: number;
  match: number;
  overAuthors: number;
  overTexts: number;
}

async function learn(texts: readonly string[]): Promise<Summary> {
  let sums = EMPTY_SUMS;
  for (const [day, text] of texts.entries()) {
    sums = addEdit(sums, await extractDeltas(neutralText(text), text), new Date(Date.UTC(2026, 0, 1) + day * DAY_MS));
  }
  return summarise(sums);
}

async function wordsOf(text: string): Promise<Words> {
  const { sentences } = await analyse(text);
  return sentences.flat().flatMap((token) => (token.kind === 'word' ? [token.normal] : []));
}

/** Learn from one side of every author, ask with the other. */
async function runSide(authors: readonly Author[], side: 0 | 1, tallies: Map<string, Tally>): Promise<void> {
  const learned = await Promise.all(
    authors.map(async ({ name, sides }) => {
      const passages = passagesOf(sides[side], EDIT_WORDS, EDITS);
      return { name, summary: await learn(passages), texts: await Promise.all(passages.map(wordsOf)) };
    }),
  );
  const overAuthors = burrowsDelta(learned, 'authors');
  const overTexts = burrowsDelta(learned, 'texts');
  for (const { name, sides } of authors) {
    const tally = tallies.get(name) ?? { passages: 0, match: 0, overAuthors: 0, overTexts: 0 };
    tallies.set(name, tally);
    for (const passage of passagesOf(sides[side === 0 ? 1 : 0], PASSAGE_WORDS, PASSAGES)) {
      const measure = await measureStyle(passage);
      const scores = learned.map((author) => ({ name: author.name, score: matchStyle(author.summary, measure).score }));
      const words = await wordsOf(passage);
      tally.passages += 1;
      tally.match += scores.sort((a, b) => b.score - a.score)[0]?.name === name ? 1 : 0;
      tally.overAuthors += overAuthors(words) === name ? 1 : 0;
      tally.overTexts += overTexts(words) === name ? 1 : 0;
    }
  }
}

const started = performance.now();
const folder = process.argv[2] ?? fileURLToPath(new URL('corpus', import.meta.url));
const authors = readAuthors(folder);
const tallies = new Map<string, Tally>();
await runSide(authors, 0, tallies);
await runSide(authors, 1, tallies);

const line = (name: string, { passages, match, overAuthors, overTexts }: Tally) =>
  [
    name.padEnd(22),
    passages.toString().padStart(8),
    ...[match, overTexts, overAuthors].map((hits) => (hits / passages).toFixed(3).padStart(14)),
  ].join(' ');
const rows = [...tallies.values()];
const sum = (pick: (tally: Tally) => number) => rows.reduce((total, tally) => total + pick(tally), 0);
const total: Tally = {
  passages: sum((tally) => tally.passages),
  match: sum((tally) => tally.match),
  overAuthors: sum((tally) => tally.overAuthors),
  overTexts: sum((tally) => tally.overTexts),
};
const ratio = total.match / Math.max(total.overAuthors, total.overTexts);
const output = [
  `${authors.length} authors, ${EDITS} edits of about ${EDIT_WORDS} words each, passages of about ${PASSAGE_WORDS} words; top-1`,
  [
    'author'.padEnd(22),
    'passages',
    ...['match', 'Delta (texts)', 'Delta (auth.)'].map((name) => name.padStart(14)),
  ].join(' '),
  ...[...tallies].map(([name, tally]) => line(name, tally)),
  line('all', total),
  `chance ${(1 / authors.length).toFixed(3)}; match / better Delta = ${ratio.toFixed(3)}; ${((performance.now() - started) / 1000).toFixed(1)} s`,
];
process.stdout.write(`${output.join('\n')}\n`);
process.exitCode = ratio >= 0.9 ? 0 : 1;
