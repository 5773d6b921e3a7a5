/**
 * What learning from one edit costs: `tsx test/bench/deltas.ts`.
 *
 * Times the load of the linguistic library, then the deltas, the sums and the patterns of edits of about 100 words
 * (passages of the attribution corpus, edited from their flattened versions). Prints milliseconds.
 */

import { fileURLToPath } from 'node:url';
import { matchStyle } from '../../src/profiles/match.ts';
import { detectPatterns, type LearnedEdit } from '../../src/profiles/patterns.ts';
import { extractDeltas, measureStyle } from '../../src/profiles/style.ts';
import { addEdit, EMPTY_SUMS, summarise } from '../../src/profiles/sums.ts';
import { passagesOf, readAuthors } from './corpus.ts';
import { neutralText } from './neutral-text.ts';

const WORDS = 100;
const WARM_UP = 50;

const texts = readAuthors(fileURLToPath(new URL('corpus', import.meta.url))).flatMap(({ sides }) =>
  sides.flatMap((works) => passagesOf(works, WORDS, 20)),
);
const pairs = texts.map((text) => [neutralText(text), text] as const);

const lines: string[] = [];
const say = (what: string, ms: number) => lines.push(`${what.padEnd(44)} ${ms.toFixed(2).padStart(8)} ms`);

let started = performance.now();
await measureStyle('The first text loads the library.');
say('load the library, measure one sentence', performance.now() - started);

const times: number[] = [];
let sums = EMPTY_SUMS;
const edits: LearnedEdit[] = [];
for (const [n, [before, after]] of pairs.entries()) {
  started = performance.now();
  const deltas = await extractDeltas(before, after);
  const savedAt = new Date(Date.UTC(2026, 0, 1 + n));
  sums = addEdit(sums, deltas, savedAt);
  times.push(performance.now() - started);
  edits.push({ id: `edit-${n}`, savedAt, deltas });
}
const warm = times.slice(WARM_UP).sort((a, b) => a - b);
say(`deltas and sums of an edit of ${WORDS} words: median`, warm[Math.floor(warm.length / 2)] ?? 0);
say('… 95th percentile', warm[Math.floor(warm.length * 0.95)] ?? 0);

started = performance.now();
const patterns = detectPatterns(edits.slice(-200));
say(`patterns of 200 edits (${patterns.length} found)`, performance.now() - started);

started = performance.now();
const summary = summarise(sums);
say('summary of the sums', performance.now() - started);

const measure = await measureStyle(texts[0] ?? '');
started = performance.now();
matchStyle(summary, measure);
say('match of a measured text', performance.now() - started);

lines.push(
  `bytes of one edit's deltas: ${JSON.stringify(edits[0]?.deltas).length}; of the sums: ${JSON.stringify(sums).length}`,
);
process.stdout.write(`${lines.join('\n')}\n`);
