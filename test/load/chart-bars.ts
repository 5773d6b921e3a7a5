/** Bars: failures stacked over time, and how often each latency was met. */

import { emptyFigure, FRAME, figure, type Legend, PLOT, upright, xOf, yOf } from './chart-frame.ts';
import { countScale, largest, linearScale, logScale, showClock, timeScale } from './chart-scale.ts';
import type { Bar, Percentiles } from './histogram.ts';
import { type Html, html, px } from './html.ts';
import { showCount, showMs, showShare } from './quantity.ts';

interface Named {
  readonly id: string;
  readonly title: string;
  readonly about: string;
}

export interface StackedBars extends Named {
  readonly span: number;
  /** Middle of each bar, in seconds. */
  readonly at: readonly number[];
  /** Seconds that a bar stands for. */
  readonly width: number;
  readonly series: readonly Legend[];
}

const MOST_BAR_PX = 28;

/** Bars of several parts, one above the other. */
export function stackedBars({ span, at, width, series, ...rest }: StackedBars): Html {
  const x = timeScale(span);
  const sums = at.map((_, index) => series.reduce((sum, { values }) => sum + (values[index] ?? 0), 0));
  const y = countScale(largest(sums), showCount);
  const room = (PLOT.width * width) / Math.max(1, span);
  const thick = Math.min(MOST_BAR_PX, room > 4 ? room - 1.5 : room);
  const bars = at.map((second, index) => {
    let below = 0;
    return series.map(({ look, values }) => {
      const value = values[index] ?? 0;
      const [bottom, top] = [yOf(y, below), yOf(y, below + value)];
      below += value;
      if (value === 0) return undefined;
      const left = px(xOf(x, second) - thick / 2);
      return html`<rect class="bar ${look}" x="${left}" y="${top}" width="${px(thick)}" height="${px(Math.max(1, bottom - top))}"/>`;
    });
  });
  const points = at.map((second) => ({ at: x.at(second), label: showClock(second, span) }));
  return figure({ ...rest, x, y, legends: series, points, drawing: bars });
}

/** Bars of a histogram that the eye can tell apart. */
const MOST_BARS = 64;
/** Marked percentiles: what, and its name. */
const MARKED = [
  ['p50', 'p50'],
  ['p99', 'p99'],
  ['p999', 'p99.9'],
] as const;
/** Width of a character of a label, roughly. */
const LETTER_PX = 6.4;

/** How often each latency was met, on an axis of equal ratios. */
export function latencyBars(named: Named, bars: readonly Bar[], found: Percentiles | null): Html {
  const [first, last] = [bars[0], bars.at(-1)];
  if (first === undefined || last === undefined || found === null) {
    return emptyFigure({ ...named, why: 'No request ended.' });
  }
  const low = Math.max(0.001, Math.min(found.min, found.p50));
  const x = logScale(low, Math.max(found.max, low * 1.5), showMs);
  const counts = gather(bars, (ms) => x.at(Math.max(ms, low)));
  const total = counts.reduce((sum, count) => sum + count, 0);
  const y = linearScale(largest(counts) / total, showShare);
  const thick = PLOT.width / counts.length;
  const drawn = counts.map((count, index) => {
    if (count === 0) return undefined;
    // One request in a million is still seen.
    const height = Math.max(2, PLOT.floor - yOf(y, count / total));
    return html`<rect class="bar accepted" x="${px(FRAME.left + index * thick + 0.5)}" y="${px(PLOT.floor - height)}" width="${px(thick - 1)}" height="${px(height)}"/>`;
  });
  const edges = counts.map((_, index) => showMs(x.valueAt(index / counts.length)));
  const points = counts.map((_, index) => ({
    at: (index + 0.5) / counts.length,
    label: `${edges[index]} – ${edges[index + 1] ?? showMs(found.max)}`,
  }));
  const legends: Legend[] = [{ name: 'requests', look: 'accepted', unit: 'count', values: counts }];
  return figure({ ...named, x, y, legends, points, drawing: [drawn, marksOf(found, (ms) => xOf(x, ms))] });
}

/** Counts in equal ratios of time. */
function gather(bars: readonly Bar[], at: (ms: number) => number): number[] {
  const counts = Array.from({ length: MOST_BARS }, () => 0);
  for (const { fromMs, toMs, count } of bars) {
    const index = Math.min(MOST_BARS - 1, Math.floor(at((fromMs + toMs) / 2) * MOST_BARS));
    counts[index] = (counts[index] ?? 0) + count;
  }
  return counts;
}

/** Marks whose labels would lie on each other go one row down. */
function marksOf(found: Percentiles, place: (ms: number) => number): Html[] {
  const ends: number[] = [];
  return MARKED.map(([key, name]) => {
    const x = place(found[key]);
    const label = `${name} ${showMs(found[key])}`;
    const width = label.length * LETTER_PX + 10;
    const from = x > FRAME.width - 110 ? x - width : x;
    let row = ends.findIndex((end) => end < from);
    if (row === -1) row = ends.length;
    ends[row] = from + width;
    return upright(x, label, row);
    // A label lies on the lines to its right.
  }).reverse();
}
