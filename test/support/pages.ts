/**
 * The pages that are made from the sources: `docs/errors.md` from the table of errors, `.env.example` from the
 * configuration's schema. `npm run docs` writes them; a contract test fails when one is older than its source.
 *
 * The sections are the `// …` lines that group the table in the source.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeVariables } from '../../src/config.ts';
import { ERRORS } from '../../src/errors.ts';

const ROOT = join(import.meta.dirname, '../..');

/** A generated page and where it belongs. */
export interface Page {
  readonly path: string;
  readonly text: string;
}

interface Section<T> {
  readonly title: string;
  readonly rows: readonly T[];
}

/** Every generated page, as it should be now. */
export async function makePages(): Promise<Page[]> {
  return [
    { path: 'docs/errors.md', text: errorsPage(await readFile(join(ROOT, 'src/errors.ts'), 'utf8')) },
    { path: '.env.example', text: environmentPage(await readFile(join(ROOT, 'src/config.ts'), 'utf8')) },
  ];
}

function errorsPage(source: string): string {
  const rows = Object.entries(ERRORS).map(([code, row]) => ({ name: code, ...row }));
  const sections = inSections(source, rows).flatMap(({ title, rows: inside }) => [
    '',
    `## ${title.replace(/[.]$/, '')}`,
    '',
    '| code | status | a worker | title | what to do |',
    '|---|---|---|---|---|',
    ...inside.map(({ name, status, retry, title: text, cure }) =>
      [`| \`${name}\``, status, RETRY[retry], cell(text), `${cell(cure)} |`].join(' | '),
    ),
  ]);
  return `${[...ERRORS_INTRODUCTION, ...sections].join('\n')}\n`;
}

const RETRY = { never: 'gives up', backoff: 'retries', later: 'waits' } as const;

const ERRORS_INTRODUCTION = [
  '# Errors',
  '',
  '<!-- Made from src/errors.ts by `npm run docs`; a test keeps the two the same. -->',
  '',
  'Every refusal over HTTP is an RFC 9457 document, `application/problem+json`: `code` is one of these, `title` and',
  '`status` are as below, `detail` is about this occurrence. `problems` lists what is wrong with an input, at most 20,',
  'each with a JSON pointer; `moreProblems` counts the rest. The same codes say why an attempt at a job failed.',
  '',
  'What a worker does with an attempt that ends with the code:',
  '',
  '- **gives up**: the job is a dead letter at once, since trying again cannot help;',
  '- **retries**: another attempt after a growing pause, until the attempts are spent; then a dead letter;',
  '- **waits**: the job comes back later and no attempt is spent, since nothing is wrong with the job.',
];

function environmentPage(source: string): string {
  const sections = inSections(source, describeVariables()).flatMap(({ title, rows }) => [
    '',
    `# ---- ${title.replaceAll('`', '')} ----`,
    ...rows.flatMap((row) => ['', `# ${row.description.replaceAll('`', '')}`, `# ${row.name}=${row.default ?? ''}`]),
  ]);
  return `${[...ENVIRONMENT_INTRODUCTION, ...sections].join('\n')}\n`;
}

const ENVIRONMENT_INTRODUCTION = [
  '# Every variable that Millrace reads, with its default. Made from src/config.ts by npm run docs; a test keeps the',
  '# two the same. npm start needs none of them: without store URLs it runs private stores by itself.',
];

/** Put rows under the `// …` line that stands above their names in the source. */
function inSections<T extends { readonly name: string }>(source: string, rows: readonly T[]): Section<T>[] {
  const headings = [...source.matchAll(/^ {2}\/\/ (.+)$/gm)].map(({ 1: title = '', index }) => ({ title, index }));
  const titleOf = ({ name }: T) => {
    const at = source.search(new RegExp(`^ {2}'?${name}'?:`, 'm'));
    return headings.findLast(({ index }) => index < at)?.title ?? 'Others';
  };
  return [...new Set(rows.map(titleOf))].map((title) => ({
    title,
    rows: rows.filter((row) => titleOf(row) === title),
  }));
}

function cell(text: string): string {
  return text
    .replaceAll('|', '\\|')
    .replaceAll('<', '&lt;')
    .replace(/`([^`]*)&lt;([^`]*)`/g, '`$1<$2`');
}
