/** Axes: which values get a line and a label, and where a value lies. Pure arithmetic. */

import { plain } from './quantity.ts';

/** Times are whole microseconds: an axis need not tell those below five apart. */
const SHORTEST_MS = 0.005;

/** A mark on an axis. */
export interface Tick {
  readonly value: number;
  readonly label: string;
}

/** From values to positions. */
export interface Scale {
  readonly ticks: readonly Tick[];
  /** The position of a value, from 0 (low end) to 1 (high end); values outside lie on the nearer end. */
  at(value: number): number;
  /** The value at such a position. */
  valueAt(position: number): number;
}

const STEPS = [1, 2, 5, 10] as const;
/** Spans of time that people count in, in seconds. */
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600] as const;
/** From this ratio of largest to smallest on, equal steps hide the small values. */
const LOG_RATIO = 20;

/** Equal steps from zero to a round number at or above `most`. */
export function linearScale(most: number, show: (value: number) => string, wanted = 4): Scale {
  const step = niceStep(Math.max(most, Number.MIN_VALUE) / wanted);
  const count = Math.max(1, Math.ceil(most / step - 1e-9));
  const top = step * count;
  const ticks = Array.from({ length: count + 1 }, (_, index) => tick(step * index, show));
  return { ticks, at: (value) => clamp(value / top), valueAt: (position) => position * top };
}

/** As `linearScale`, for what is counted: never half a job. */
export function countScale(most: number, show: (value: number) => string): Scale {
  return most < 4
    ? linearScale(Math.max(1, Math.ceil(most)), show, Math.max(1, Math.ceil(most)))
    : linearScale(most, show);
}

/** Equal ratios, between round numbers around `least` and `most`, which are above zero. */
export function logScale(least: number, most: number, show: (value: number) => string): Scale {
  const low = roundDown(least);
  const high = Math.max(roundUp(most), low * 10);
  const decades = Math.log10(high / low);
  const ticks: Tick[] = [];
  for (let exponent = Math.floor(Math.log10(low)); exponent <= Math.ceil(Math.log10(high)); exponent++) {
    for (const step of decades > 2.5 ? [1] : STEPS.slice(0, 3)) {
      const value = step * 10 ** exponent;
      if (value >= low * 0.999 && value <= high * 1.001) ticks.push(tick(value, show));
    }
  }
  return {
    ticks,
    at: (value) => clamp(Math.log(value / low) / Math.log(high / low)),
    valueAt: (position) => low * (high / low) ** position,
  };
}

/** A scale for times: equal ratios when the values need them. */
export function latencyScale(values: readonly number[], show: (value: number) => string): Scale {
  const positive = values.filter((value) => value > 0).map((value) => Math.max(value, SHORTEST_MS));
  const most = largest(positive);
  const least = positive.reduce((low, value) => Math.min(low, value), most);
  if (most === 0) return linearScale(1, show);
  return most / least >= LOG_RATIO ? logScale(least, most, show) : linearScale(most, show);
}

/** Seconds from the start to `seconds`. */
export function timeScale(seconds: number, wanted = 8): Scale {
  const span = Math.max(1, seconds);
  const step = TIME_STEPS.find((each) => span / each <= wanted) ?? 3600;
  const ticks = Array.from({ length: Math.floor(span / step) + 1 }, (_, index) => ({
    value: step * index,
    label: showClock(step * index, span),
  }));
  return { ticks, at: (value) => clamp(value / span), valueAt: (position) => position * span };
}

/** A moment of a run that lasts `span` seconds: `45 s`, `1:30`, `1:02:00`. */
export function showClock(seconds: number, span: number): string {
  const whole = Math.floor(seconds);
  if (span <= 120) return `${whole} s`;
  const rest = String(whole % 60).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  if (span < 3600) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')}:${rest}`;
}

/** The largest of many values; 0 of none. */
export function largest(values: readonly number[]): number {
  return values.reduce((high, value) => Math.max(high, value), 0);
}

function tick(value: number, show: (value: number) => string): Tick {
  // Steps such as 0.1 add up to 0.30000000000000004.
  const clean = Number(value.toPrecision(10));
  return { value: clean, label: plain(show(clean)) };
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return (STEPS.find((step) => step * power >= rough * (1 - 1e-9)) ?? 10) * power;
}

function roundDown(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([5, 2].find((step) => step * power <= value) ?? 1) * power;
}

function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return (STEPS.find((step) => step * power >= value * (1 - 1e-9)) ?? 10) * power;
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, share));
}
