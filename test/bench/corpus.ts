/**
 * The texts of the attribution bench: one file an author, one heading (`== 1862 ==`) a work.
 *
 * Promises: an author's odd works and even works make two sides, so that what is learned and what is asked never come
 * from the same work.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** An author's texts, cut into passages of whole sentences. */
export interface Author {
  readonly name: string;
  /** Two sides of different works; each a list of works' sentences. */
  readonly sides: readonly [works: readonly string[][], works: readonly string[][]];
}

/** Read all authors of a folder. */
export function readAuthors(folder: string): Author[] {
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.txt'))
    .sort();
  return files.map((file) => {
    const works = readFileSync(join(folder, file), 'utf8')
      .split(/^== .* ==$/m)
      .slice(1)
      .map(sentencesOf);
    return {
      name: file.replace('.txt', ''),
      sides: [works.filter((_, i) => i % 2 === 0), works.filter((_, i) => i % 2 === 1)],
    };
  });
}

function sentencesOf(work: string): string[] {
  return work
    .replace(/\s+/g, ' ')
    .trim()
    .split(/(?<=[.!?]["”]?)\s+(?=["“A-Z])/);
}

/** Passages of at least so many words, of whole sentences, each from one work; at most `limit`, spread evenly. */
export function passagesOf(works: readonly string[][], words: number, limit: number): string[] {
  const passages: string[] = [];
  for (const sentences of works) {
    let open: string[] = [];
    let count = 0;
    for (const sentence of sentences) {
      open.push(sentence);
      count += sentence.split(' ').length;
      if (count < words) continue;
      passages.push(open.join(' '));
      open = [];
      count = 0;
    }
  }
  if (passages.length <= limit) return passages;
  return Array.from({ length: limit }, (_, i) => passages[Math.floor(((i + 0.5) * passages.length) / limit)] ?? '');
}
