import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
/** The README's example of a definition that a reader would write. */
const EXAMPLES = new Set(['jobs/learning/greet-writer.ts']);

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

test('there are pages to look at', () => {
  expect(pages.length).toBeGreaterThan(10);
});

test.each(pages)('every file that %s names exists', (page) => {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const named = text.matchAll(/`((?:src|workers|jobs|test|docs)\/[\w./-]+\.(?:ts|mjs|md|json))`/g);
  const missing = [...named].map(([, path = '']) => path).filter((path) => !EXAMPLES.has(path));
  expect(missing.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});
