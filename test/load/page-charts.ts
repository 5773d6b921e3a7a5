/** The charts of the page, from the seconds of a report. */

import { latencyBars, stackedBars } from './chart-bars.ts';
import { emptyFigure, type Legend } from './chart-frame.ts';
import { lineChart } from './chart-lines.ts';
import { countScale, largest, latencyScale } from './chart-scale.ts';
import type { Html } from './html.ts';
import { showCount, showMs, showSpan } from './quantity.ts';
import type { Report } from './report.ts';
import type { Second } from './tally.ts';

/** Points that a chart can show apart; a longer run has several seconds in each. */
const MOST_POINTS = 300;
/** Codes of failures with a colour of their own. */
const MOST_LOOKS = 4;

/** Some seconds of the run, shown as one point. */
interface Slot {
  /** Its middle, in seconds. */
  readonly at: number;
  /** How long it is: shorter than it seems at the end of a load that was ended within a second. */
  readonly seconds: number;
  readonly of: readonly Second[];
}

/** All charts, in the order of the page. */
export function charts(report: Report): Html[] {
  const span = Math.max(1, Math.ceil(report.totalMs / 1000));
  const width = Math.ceil(report.seconds.length / MOST_POINTS);
  const slots = slotsOf(report, width);
  const marks = marksOf(report, span);
  const about = (text: string, folded: string) => (width > 1 ? `${text} Each point is ${folded} ${width} s.` : text);
  const at = slots.map((slot) => slot.at);
  const loading = slots.filter(({ of }) => (of[0]?.second ?? 0) * 1000 < report.loadMs);
  const all = { slots, loading, span, at, width, marks, about };
  return [
    latencyOverTime(all),
    latencyBars(
      { id: 'histogram', title: 'How often each latency was met', about: 'All requests; shorter times to the left.' },
      report.histogram,
      report.latencyMs.all,
    ),
    throughputOverTime(report, all),
    depthOverTime(all),
    errorsOverTime(report, all),
    inFlightOverTime(report, all),
  ];
}

interface Shared {
  readonly slots: readonly Slot[];
  /** Those in which requests were due. */
  readonly loading: readonly Slot[];
  readonly span: number;
  readonly at: readonly number[];
  readonly width: number;
  readonly marks: readonly { at: number; label: string }[];
  /** The text, and what a point is when it is several seconds. */
  about(text: string, folded: string): string;
}

function slotsOf({ seconds, loadMs, totalMs }: Report, width: number): Slot[] {
  const slots: Slot[] = [];
  for (let from = 0; from < seconds.length; from += width) {
    const of = seconds.slice(from, from + width);
    // The second in which the load ended is not over when it does: its counts are those of a part.
    const endMs = (from + of.length) * 1000;
    const untilMs = from * 1000 < loadMs && endMs > loadMs ? loadMs : Math.min(endMs, totalMs);
    const long = Math.max(0.001, untilMs / 1000 - from);
    slots.push({ at: from + Math.min(long, of.length) / 2, seconds: long, of });
  }
  return slots;
}

function marksOf({ options, loadMs, totalMs }: Report, span: number): Shared['marks'] {
  const rampS = options.rampMs / 1000;
  const ramp = rampS > 0 ? [{ at: rampS, label: 'full rate' }] : [];
  // Where the last answers come at once after the end, the end is the edge of the chart.
  return totalMs - loadMs > Math.max(1000, span * 20) ? [...ramp, { at: loadMs / 1000, label: 'load ends' }] : ramp;
}

/** The worst of a slot: percentiles cannot be averaged. */
const worst = (of: (second: Second) => number | undefined) => (slot: Slot) => {
  const known = slot.of.map(of).filter((value) => value !== undefined);
  return known.length > 0 ? Math.max(...known) : null;
};

const rate = (of: (second: Second) => number) => (slot: Slot) =>
  slot.of.reduce((sum, second) => sum + of(second), 0) / slot.seconds;

function latencyOverTime({ slots, span, at, marks, about }: Shared): Html {
  const named = {
    id: 'latency',
    title: 'Latency over time',
    about: about('From when a request should have been sent until its answer.', 'the worst second of'),
  };
  const series: Legend[] = (['p99', 'p90', 'p50', 'max'] as const).map((key) => ({
    name: key === 'max' ? 'slowest' : key,
    look: key,
    unit: 'ms',
    values: slots.map(worst((second) => second.latencyMs?.[key])),
  }));
  const values = series.flatMap((each) => each.values).filter((value) => value !== null);
  if (values.length === 0) return emptyFigure({ ...named, why: 'No request ended.' });
  return lineChart({ ...named, span, at, marks, series, y: latencyScale(values, showMs) });
}

function throughputOverTime({ options }: Report, { loading, span, marks, about }: Shared): Html {
  const named = {
    id: 'throughput',
    title: 'Throughput',
    about: about(
      options.bulk > 1 ? `Requests a second, ${options.bulk} jobs in each.` : 'Requests a second, one job in each.',
      'the mean of',
    ),
  };
  if (loading.length === 0) return emptyFigure({ ...named, why: 'The load ended before its first second.' });
  const open = options.rate !== 'max';
  const due: Legend = { name: 'due', look: 'due', unit: 'rate', values: loading.map(rate((second) => second.due)) };
  const series: Legend[] = [
    { name: 'accepted', look: 'accepted', unit: 'rate', values: loading.map(rate((second) => second.accepted)) },
    { name: 'failed', look: 'failed', unit: 'rate', values: loading.map(rate((second) => second.failed)) },
    ...(open ? [due] : []),
  ];
  const most = largest(series.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const at = loading.map((slot) => slot.at);
  return lineChart({ ...named, span, at, marks, filled: true, series, y: countScale(most, showCount) });
}

function depthOverTime({ slots, span, at, marks, about }: Shared): Html {
  const named = {
    id: 'depth',
    title: 'Depth of the queues',
    about: about('Jobs in the queues of the mix, looked at every second.', 'the deepest second of'),
  };
  const series: Legend[] = (['waiting', 'active', 'delayed'] as const).map((key) => ({
    name: key,
    look: key,
    unit: 'count',
    values: slots.map(worst((second) => second.depth?.[key])),
  }));
  const values = series.flatMap((each) => each.values).filter((value) => value !== null);
  if (values.length === 0) return emptyFigure({ ...named, why: 'The queues could not be read.' });
  return lineChart({ ...named, span, at, marks, series, y: countScale(largest(values), showCount) });
}

function errorsOverTime({ errors }: Report, { slots, span, at, width, about }: Shared): Html {
  const named = {
    id: 'errors',
    title: 'Failures',
    about: about('Requests that were refused, got no answer, or were never sent, by code.', 'the sum of'),
  };
  if (errors.length === 0) return emptyFigure({ ...named, why: 'No request failed.' });
  const count = (codes: readonly string[]) => (slot: Slot) =>
    slot.of.reduce((sum, second) => sum + codes.reduce((all, code) => all + (second.errors[code] ?? 0), 0), 0);
  const shown = errors
    .slice(0, MOST_LOOKS)
    .map(({ code }, index) => ({ name: code, codes: [code], look: `code${index}` }));
  const rest = errors.slice(MOST_LOOKS).map(({ code }) => code);
  const groups = rest.length > 0 ? [...shown, { name: `${rest.length} more`, codes: rest, look: 'rest' }] : shown;
  const series = groups.map(({ name, look, codes }): Legend => {
    return { name, look, unit: 'count', values: slots.map(count(codes)) };
  });
  return stackedBars({ ...named, span, at, width, series });
}

function inFlightOverTime({ options }: Report, { slots, span, at, marks, about }: Shared): Html {
  const series: Legend[] = [
    { name: 'in flight', look: 'accepted', unit: 'count', values: slots.map(worst((second) => second.inFlight)) },
  ];
  return lineChart({
    id: 'in-flight',
    title: 'Requests in flight',
    about: about(
      `Most in each second; ${showCount(options.connections)} can be, and a request is given up after ${showSpan(options.timeoutMs)}.`,
      'the fullest second of',
    ),
    span,
    at,
    marks,
    filled: true,
    series,
    y: countScale(largest(slots.map((slot) => worst((second) => second.inFlight)(slot) ?? 0)), showCount),
  });
}
