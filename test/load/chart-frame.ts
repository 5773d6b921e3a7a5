/** What every chart of the report has: a title, a legend, axes with their labels, and values to point at. */

import type { Scale } from './chart-scale.ts';
import { type Html, html, type Part, px } from './html.ts';

/** The drawing, in units of its own; the page scales it. */
export const FRAME = { width: 600, height: 236, left: 58, right: 14, top: 14, bottom: 26 } as const;

export const PLOT = {
  width: FRAME.width - FRAME.left - FRAME.right,
  height: FRAME.height - FRAME.top - FRAME.bottom,
  /** Lower edge. */
  floor: FRAME.height - FRAME.bottom,
} as const;

export const xOf = (scale: Scale, value: number) => px(FRAME.left + scale.at(value) * PLOT.width);
export const yOf = (scale: Scale, value: number) => px(PLOT.floor - scale.at(value) * PLOT.height);

/** How a value is written when it is pointed at: in the page's script, which knows these names. */
export type Unit = 'ms' | 'count' | 'rate' | 'share';

/** One series as the legend and the pointer tell it. `look` is a class of the style sheet. */
export interface Legend {
  readonly name: string;
  readonly look: string;
  /** One value a point; null where there is none. */
  readonly values: readonly (number | null)[];
  readonly unit: Unit;
}

export interface Chart {
  readonly id: string;
  readonly title: string;
  /** One sentence for whoever cannot see it, and for the reader of the page. */
  readonly about: string;
  readonly legends: readonly Legend[];
  /** Where each point lies on the x axis, 0–1, and what it is called. */
  readonly points: readonly { readonly at: number; readonly label: string }[];
  readonly x: Scale;
  readonly y: Scale;
  readonly drawing: Part;
}

/** A chart as a figure. */
export function figure({ id, title, about, legends, points, x, y, drawing }: Chart): Html {
  const data = {
    at: points.map(({ at }) => Math.round(at * 10_000) / 10_000),
    labels: points.map(({ label }) => label),
    series: legends.map(({ name, look, unit, values }) => ({ name, look, unit, values: values.map(short) })),
    plot: [FRAME.left / FRAME.width, PLOT.width / FRAME.width],
  };
  return html`<figure class="card chart" id="${id}" tabindex="0" data-chart="${JSON.stringify(data)}">
<figcaption><h2>${title}</h2><p>${about}</p></figcaption>
<ul class="legend">${legends.map(({ name, look }) => html`<li><i class="key ${look}"></i>${name}</li>`)}</ul>
<div class="drawing"><svg viewBox="0 0 ${FRAME.width} ${FRAME.height}" role="img" aria-label="${title}. ${about}">
<g class="grid">${y.ticks.map(({ value }) => horizontal(yOf(y, value)))}</g>
<g class="axis">${y.ticks.map(({ value, label }) => html`<text x="${FRAME.left - 8}" y="${px(yOf(y, value) + 4)}" text-anchor="end">${label}</text>`)}
${x.ticks.map((tick) => xLabel(xOf(x, tick.value), tick.label))}</g>
${drawing}
<line class="cross" x1="0" x2="0" y1="${FRAME.top}" y2="${PLOT.floor}"/>
</svg><div class="tip" hidden></div></div>
</figure>`;
}

/** A chart that has nothing to show says so. */
export function emptyFigure({ id, title, about, why }: Pick<Chart, 'id' | 'title' | 'about'> & { why: string }): Html {
  return html`<figure class="card chart" id="${id}"><figcaption><h2>${title}</h2><p>${about}</p></figcaption>
<p class="nothing">${why}</p></figure>`;
}

/** A moment or a value that is marked across the plot. */
export function upright(x: number, label: string, row = 0): Html {
  const nearRight = x > FRAME.width - 110;
  return html`<g class="mark"><line x1="${x}" x2="${x}" y1="${FRAME.top}" y2="${PLOT.floor}"/>
<text x="${px(x + (nearRight ? -5 : 5))}" y="${FRAME.top + 11 + row * 15}" text-anchor="${nearRight ? 'end' : 'start'}">${label}</text></g>`;
}

function horizontal(y: number): Html {
  return html`<line x1="${FRAME.left}" x2="${FRAME.width - FRAME.right}" y1="${y}" y2="${y}"/>`;
}

/** The outermost labels stay inside the drawing. */
function xLabel(x: number, label: string): Html {
  const anchor = x > FRAME.width - 30 ? 'end' : 'middle';
  return html`<text x="${anchor === 'end' ? FRAME.width - 2 : x}" y="${PLOT.floor + 18}" text-anchor="${anchor}">${label}</text>`;
}

function short(value: number | null): number | null {
  return value === null ? null : Number(value.toPrecision(5));
}
