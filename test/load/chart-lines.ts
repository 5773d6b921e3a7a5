/** Lines over time. A second without a value is a gap, and a value between two gaps a dot: nothing is made up. */

import { FRAME, figure, type Legend, PLOT, upright, xOf, yOf } from './chart-frame.ts';
import { type Scale, showClock, timeScale } from './chart-scale.ts';
import { type Html, html } from './html.ts';

export interface LineChart {
  readonly id: string;
  readonly title: string;
  readonly about: string;
  /** Seconds that the x axis spans. */
  readonly span: number;
  /** Middle of each point, in seconds. */
  readonly at: readonly number[];
  /** Fill the room under the first series. */
  readonly filled?: boolean;
  readonly series: readonly Legend[];
  readonly y: Scale;
  /** Moments that are marked, in seconds. */
  readonly marks: readonly { readonly at: number; readonly label: string }[];
}

export function lineChart({ span, at, series, y, marks, filled = false, ...rest }: LineChart): Html {
  const x = timeScale(span);
  const places = at.map((second) => xOf(x, second));
  const drawn = series.map(({ look, values }) => drawLine(places, values, y, look));
  const area = filled && series[0] !== undefined ? drawArea(places, series[0], y) : undefined;
  return figure({
    ...rest,
    x,
    y,
    legends: series,
    points: at.map((second) => ({ at: x.at(second), label: showClock(second, span) })),
    drawing: [
      area,
      marks.map((mark) => upright(xOf(x, mark.at), mark.label)),
      // The first series is the most important one: it lies on top.
      drawn.reverse(),
    ],
  });
}

type Point = readonly [x: number, y: number];

/** Runs of points without a gap. */
function runsOf(places: readonly number[], values: readonly (number | null)[], y: Scale): Point[][] {
  const runs: Point[][] = [[]];
  for (const [index, value] of values.entries()) {
    if (value === null) runs.push([]);
    else runs.at(-1)?.push([places[index] ?? 0, yOf(y, value)]);
  }
  return runs.filter((run) => run.length > 0);
}

function drawLine(places: readonly number[], values: readonly (number | null)[], y: Scale, look: string): Html {
  const runs = runsOf(places, values, y);
  const lines = runs.filter(({ length }) => length > 1).map((run) => `M${run.map(([a, b]) => `${a},${b}`).join('L')}`);
  const few = runs.reduce((count, { length }) => count + length, 0) <= 4;
  const dots = few ? runs.flat() : runs.filter(({ length }) => length === 1).flat();
  return html`<g class="line ${look}"><path d="${lines.join('')}"/>${dots.map(([a, b]) => html`<circle cx="${a}" cy="${b}" r="3"/>`)}</g>`;
}

function drawArea(places: readonly number[], { look, values }: Legend, y: Scale): Html {
  const shapes = runsOf(places, values, y).map((run) => {
    const [first, last] = [run[0]?.[0] ?? FRAME.left, run.at(-1)?.[0] ?? FRAME.left];
    return `M${first},${PLOT.floor}L${run.map(([a, b]) => `${a},${b}`).join('L')}L${last},${PLOT.floor}Z`;
  });
  return html`<path class="area ${look}" d="${shapes.join('')}"/>`;
}
