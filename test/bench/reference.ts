/**
 * Measures what "ordinary English" is: `tsx test/bench/reference.ts <folder> [<folder>]`.
 *
 * Each folder holds plain texts, one a file; they are cut into passages of about 200 words, and the folders weigh the
 * same. Prints `typical`, `scale` and `within` of every feature, and the frequencies of common words and tag pairs per
 * 10,000: the numbers in `src/profiles/features.ts`, `reference-frequencies.ts` and `tag-pairs.ts`. The texts they were
 * measured on are named in docs/decisions/0005-style-features.md.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FREQUENT_WORDS } from '../../src/profiles/frequent-words.ts';
import { FEATURES, measureStyle, type StyleMeasure } from '../../src/profiles/style.ts';
import { TAG_PAIRS } from '../../src/profiles/tag-pairs.ts';

const PASSAGE_WORDS = 200;

/** Passages of whole sentences with their paragraphs; a file shorter than one is taken whole. */
function passagesIn(text: string): string[] {
  const passages: string[] = [];
  let open = '';
  for (const sentence of text.split(/(?<=[.!?]["”']?\s)(?=["“A-Z])/)) {
    open += sentence;
    if (open.split(/\s+/).length <= PASSAGE_WORDS) continue;
    passages.push(open);
    open = '';
  }
  return passages.length === 0 ? [text] : passages;
}

async function measureFolder(folder: string): Promise<StyleMeasure[][]> {
  const texts: StyleMeasure[][] = [];
  for (const file of readdirSync(folder).sort()) {
    const passages = passagesIn(readFileSync(join(folder, file), 'utf8'));
    const measures: StyleMeasure[] = [];
    for (const passage of passages) measures.push(await measureStyle(passage));
    texts.push(measures);
  }
  return texts;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
const variance = (values: readonly number[]) => mean(values.map((value) => (value - mean(values)) ** 2));

const folders: StyleMeasure[][][] = [];
for (const folder of process.argv.slice(2)) folders.push(await measureFolder(folder));

/** Mean and deviation over the folders, each weighing the same; deviation inside the texts that have several passages. */
function pooled(pick: (measure: StyleMeasure) => number): { typical: number; scale: number; within: number } {
  const values = folders.map((texts) => texts.flat().map(pick));
  const typical = mean(values.map(mean));
  const scale = Math.sqrt(mean(values.map((all) => variance(all) + (mean(all) - typical) ** 2)));
  const several = folders.flat().filter((measures) => measures.length > 1);
  const squares = several.reduce((sum, measures) => sum + variance(measures.map(pick)) * measures.length, 0);
  const freedom = several.reduce((sum, measures) => sum + measures.length - 1, 0);
  return { typical, scale, within: Math.max(0.4 * scale, Math.sqrt(squares / Math.max(1, freedom))) };
}

const lines = FEATURES.map(({ name }) => {
  const { typical, scale, within } = pooled((measure) => measure.features[name]);
  return `${name.padEnd(18)} ${[typical, scale, within].map((value) => value.toPrecision(3).padStart(10)).join('')}`;
});
const perTenThousand = (pick: (measure: StyleMeasure) => number) => Number((1e4 * pooled(pick).typical).toPrecision(3));
lines.push('', 'words:', FREQUENT_WORDS.map((_, i) => perTenThousand(({ words }) => words[i] ?? 0)).join(', '));
lines.push(
  '',
  'pairs:',
  TAG_PAIRS.map((pair, i) => `${pair} ${perTenThousand(({ pairs }) => pairs[i] ?? 0)}`).join(' | '),
);
process.stdout.write(`${lines.join('\n')}\n`);
