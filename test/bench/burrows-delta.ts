/**
 * Burrows' Delta, the yardstick of authorship attribution (Burrows 2002, "Delta: a measure of stylistic difference and
 * a guide to likely authorship", Literary and Linguistic Computing 17/3).
 *
 * The 150 most frequent words of all learning texts together; each author's and each passage's frequencies as
 * z-scores; the author with the smallest mean absolute difference. Two readings of "standard deviation" are in use,
 * over the authors and over the texts: both are offered, and the better one is what a rival has to be measured with.
 */

/** Words of one text, in lower case. */
export type Words = readonly string[];

/** An author's learning texts. */
export interface KnownAuthor {
  readonly name: string;
  readonly texts: readonly Words[];
}

/** Words that are compared. */
const COMPARED = 150;

/** Make an attributor: words of a passage in, name of the author out. */
export function burrowsDelta(
  authors: readonly KnownAuthor[],
  spreadOver: 'authors' | 'texts',
): (words: Words) => string {
  const list = mostFrequent(authors.flatMap((author) => author.texts.flat()));
  const profiles = authors.map(({ name, texts }) => ({ name, frequencies: frequencies(texts.flat(), list) }));
  const sample =
    spreadOver === 'authors'
      ? profiles.map((profile) => profile.frequencies)
      : authors.flatMap((author) => author.texts.map((words) => frequencies(words, list)));
  const spreads = list.map((_, i) => deviation(sample.map((row) => row[i] ?? 0)));
  return (words) => {
    const passage = frequencies(words, list);
    // The mean of the sample cancels in a difference of z-scores.
    const deltas = profiles.map(({ name, frequencies: known }) => ({
      name,
      delta: known.reduce((sum, frequency, i) => sum + distance(frequency, passage[i] ?? 0, spreads[i] ?? 0), 0),
    }));
    return deltas.sort((a, b) => a.delta - b.delta)[0]?.name ?? '';
  };
}

function distance(a: number, b: number, spread: number): number {
  return spread === 0 ? 0 : Math.abs(a - b) / spread;
}

function mostFrequent(words: Words): string[] {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const ranked = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return ranked.slice(0, COMPARED).map(([word]) => word);
}

function frequencies(words: Words, list: readonly string[]): number[] {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return list.map((word) => (counts.get(word) ?? 0) / Math.max(1, words.length));
}

function deviation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
