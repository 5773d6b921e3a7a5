/** One chart on the analytics page: a card with a title, and uPlot in it. Runs in the browser. */

/* global uPlot, document, matchMedia, getComputedStyle, ResizeObserver, requestAnimationFrame */

const HEIGHT = 190;
const HALF_DAY = 43_200;

const number = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** How values of a unit are written; short: on an axis. */
const WRITTEN = {
  count: (value, short) => (short ? compact : number).format(value),
  share: (value, short) => `${short ? Math.round(value * 100) : number.format(value * 100)} %`,
  rating: (value) => number.format(value),
  ms: (value) => durationOf(value),
  seconds: (value) => durationOf(value * 1000),
  bytes: (value) => sizeOf(value),
};

function durationOf(ms) {
  if (ms < 1000) return `${number.format(ms)} ms`;
  if (ms < 60_000) return `${number.format(ms / 1000)} s`;
  if (ms < 3_600_000) return `${number.format(ms / 60_000)} min`;
  return `${number.format(ms / 3_600_000)} h`;
}

function sizeOf(bytes) {
  const [unit, size] = [
    ['GB', 1e9],
    ['MB', 1e6],
    ['KB', 1e3],
    ['B', 1],
  ].find(([, least]) => bytes >= least) ?? ['B', 1];
  return `${number.format(bytes / size)} ${unit}`;
}

/** A value as text; a dash for none. */
export function written(value, unit, short = false) {
  return value === null || value === undefined ? '–' : WRITTEN[unit](value, short);
}

/** Something of a kind with a text in it. */
export function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className !== undefined) made.className = className;
  return made;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/**
 * Add a chart to a place. `lines`: what is drawn, each with label, colour and values; `bars`: as bars that stand on each
 * other. Returns nothing; the chart follows the width of its card, and the light or dark of the page.
 */
export function addChart(place, { title, about, mark, unit, days, lines, bars = false, wide = false, range }) {
  const card = element('article', undefined, wide ? 'chart wide' : 'chart');
  const heading = element('h2', title);
  if (mark !== undefined) heading.append(element('em', mark));
  card.append(heading, element('p', about));
  place.append(card);
  if (lines.every(({ values }) => values.every((value) => value === null))) {
    card.append(element('p', 'No figures in these days.', 'none'));
    return;
  }
  const seconds = days.map((day) => Date.parse(day) / 1000);
  const data = [seconds, ...(bars ? stacked(lines) : lines.map(({ values }) => values))];
  const last = seconds.length - 1;
  let plot;
  const width = () => Math.max(200, card.clientWidth - 32);
  const draw = () => {
    plot?.destroy();
    plot = new uPlot(optionsOf({ unit, lines, bars, range, width: width() }), data, card);
    // Off the chart the legend tells of the newest day; uPlot empties it after each of these two.
    const showNewest = () => requestAnimationFrame(() => plot.setLegend({ idx: last }));
    plot.over.addEventListener('mouseleave', showNewest);
    showNewest();
  };
  draw();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  new ResizeObserver(() => plot.setSize({ width: width(), height: HEIGHT })).observe(card);
}

/** Each line on top of those after it: the first is the highest, and drawn behind the others. */
function stacked(lines) {
  let below = lines[0].values.map(() => 0);
  const sums = lines.toReversed().map(({ values }) => {
    below = below.map((sum, index) => sum + (values[index] ?? 0));
    return below;
  });
  return sums.reverse();
}

function optionsOf({ unit, lines, bars, range, width }) {
  const axis = { stroke: colour('text'), grid: { stroke: colour('grid'), width: 1 }, ticks: { show: false } };
  const series = lines.map(({ label, paint, values }) => ({
    label,
    stroke: colour(paint),
    width: bars ? 0 : 2,
    fill: bars ? colour(paint) : undefined,
    paths: bars ? uPlot.paths.bars({ size: [0.7, 44], radius: 0.15 }) : undefined,
    points: { show: !bars && isSparse(values), size: 6, fill: colour(paint) },
    value: (_plot, _drawn, _series, index) => written(index === null ? null : values[index], unit),
  }));
  return {
    width,
    height: HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
    cursor: { y: false, points: { show: !bars } },
    scales: {
      x: { range: (_plot, min, max) => (bars || min === max ? [min - HALF_DAY, max + HALF_DAY] : [min, max]) },
      y: { range: range ?? ((_plot, _min, max) => [0, max > 0 ? max * 1.1 : 1]) },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 36,
        gap: 9,
        values: '{D} {MMM}',
        space: 60,
        incrs: [1, 2, 7, 14, 28].map((each) => each * 86_400),
      },
      { ...axis, size: 64, values: (_plot, ticks) => ticks.map((tick) => written(tick, unit, true)) },
    ],
    series: [
      {
        label: 'Day',
        value: (_plot, seconds) => (seconds === null ? '–' : new Date(seconds * 1000).toISOString().slice(0, 10)),
      },
      ...series,
    ],
  };
}

/** A value between two gaps would not be seen as a line. */
function isSparse(values) {
  return (
    values.length <= 31 ||
    values.some((value, index) => value !== null && values[index - 1] == null && values[index + 1] == null)
  );
}
