/** A run as text: where it was made, a table of every section, and the targets. Markdown, readable as it stands. */

import type { Machine } from './machine.ts';
import type { BenchOptions } from './options.ts';
import { FIGURES, type Figure, type Row, ratios, type Section, type Spread, spreadOf, valuesOf } from './samples.ts';
import { judge } from './targets.ts';

const FIGURE_NAMES = Object.keys(FIGURES) as Figure[];

/** All of it. */
export function report(machine: Machine, { rounds, cases }: BenchOptions, sections: readonly Section[]): string {
  const lines = [
    `${machine.at} UTC · \`${machine.command}\``,
    '',
    `- ${machine.machine}; ${machine.load}`,
    `- ${machine.programs}`,
    `- ${machine.packages}`,
    `- peers: ${machine.peers}`,
    `- ${rounds} rounds; every contender in turn within a round. Median [quartiles]; a ratio is taken within each round.`,
    ...sections.flatMap(sectionLines),
    '',
    '### Targets',
    '',
    ...table(
      ['target', 'must', 'aim', 'measured', ''],
      judge(sections, cases).map(({ what, must, aim, measured, says }) => [what, must, aim, measured, says]),
    ),
  ];
  return `${lines.join('\n')}\n`;
}

/** Contenders that failed, for the exit code. */
export function failures(sections: readonly Section[]): string[] {
  return sections.flatMap(({ id, rows }) =>
    rows.flatMap(({ name, failure }) => (failure === undefined ? [] : [`${id}: ${name}: ${failure}`])),
  );
}

function sectionLines(section: Section): string[] {
  const { title, rows, compared, notes } = section;
  const figures = FIGURE_NAMES.filter((figure) => rows.some((row) => valuesOf(row, figure).length > 0));
  const hasRatios = rows.some(({ against }) => against !== undefined);
  const heads = [
    '',
    ...figures.map((figure) => FIGURES[figure].head),
    ...(hasRatios ? [`${FIGURES[compared].head}, ratio`] : []),
  ];
  const body = rows.map((row) => {
    if (row.failure !== undefined) return [row.name, `failed: ${row.failure.split('\n')[0]?.slice(0, 120)}`];
    const cells = figures.map((figure) => show(valuesOf(row, figure), FIGURES[figure].digits));
    return [row.name, ...cells, ...(hasRatios ? [ratioCell(row, section)] : [])];
  });
  return ['', `### ${title}`, '', ...table(heads, body), ...notes.flatMap((note) => ['', note])];
}

function ratioCell(row: Row, { rows, compared }: Section): string {
  const reference = rows.find(({ name }) => name === row.against);
  if (reference === undefined) return rows.some(({ against }) => against === row.name) ? '1' : '';
  return show(ratios(row, reference, compared), 2);
}

function show(values: readonly number[], digits: number): string {
  if (values.length === 0) return '';
  const spread: Spread = spreadOf(values);
  const [median, low, high] = [spread.median, spread.low, spread.high].map((value) => grouped(value, digits));
  return values.length === 1 ? `${median}` : `${median} [${low}–${high}]`;
}

function grouped(value: number, digits: number): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** A Markdown table with its columns lined up. */
function table(heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = heads.map((head, n) => Math.max(3, head.length, ...rows.map((row) => row[n]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${widths.map((width, n) => (n === 0 ? (cells[n] ?? '').padEnd(width) : (cells[n] ?? '').padStart(width))).join(' | ')} |`;
  const rule = `|${widths.map((width, n) => (n === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(heads), rule, ...rows.map(line)];
}
