/** What is measured, and what is made of it: figures of one slice, medians and quartiles over rounds, ratios. */

/** One figure: how it is headed, and with how many digits it is printed. */
interface FigureForm {
  readonly head: string;
  readonly digits: number;
}

/** Every figure there is, in the order of the columns. */
export const FIGURES = {
  rate: { head: 'jobs/s', digits: 0 },
  p50Ms: { head: 'p50 ms', digits: 2 },
  p99Ms: { head: 'p99 ms', digits: 2 },
  /** Milliseconds until it was done. */
  tookMs: { head: 'ms', digits: 0 },
  /** Of the process or processes under test, for each job. */
  nodeUs: { head: 'Node µs', digits: 0 },
  redisUs: { head: 'Redis µs', digits: 0 },
  postgresUs: { head: 'PG µs', digits: 0 },
  /** Of the store, for each waiting job. */
  bytes: { head: 'bytes/job', digits: 0 },
  startMb: { head: 'RSS before MB', digits: 0 },
  earlyMb: { head: 'RSS at 20 % MB', digits: 0 },
  peakMb: { head: 'RSS peak MB', digits: 0 },
} as const satisfies Record<string, FigureForm>;

export type Figure = keyof typeof FIGURES;

/** The figures of one slice; what was not measured is absent. */
export type Sample = Partial<Record<Figure, number>>;

/** One contender's slices, one a round. */
export interface Row {
  readonly name: string;
  readonly samples: readonly Sample[];
  /** Name of the row it is compared with; none: it is only shown. */
  readonly against: string | undefined;
  /** Why it could not be measured. */
  readonly failure: string | undefined;
}

/** Rows that were measured in turn, round by round, so that their ratios hold. */
export interface Section {
  readonly id: string;
  readonly title: string;
  /** The figure that `against` compares. */
  readonly compared: Figure;
  readonly rows: readonly Row[];
  /** What the reader must know of it, one sentence each. */
  readonly notes: readonly string[];
}

/** Median and quartiles. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Linear between the two neighbours; NaN of nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)];
  const above = sorted[Math.ceil(at)];
  if (below === undefined || above === undefined) return Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: quantile(values, 0.5), low: quantile(values, 0.25), high: quantile(values, 0.75) };
}

/** A figure of every slice that has it. */
export function valuesOf(row: Row, figure: Figure): number[] {
  return row.samples.flatMap((sample) => sample[figure] ?? []);
}

/** A figure of one row over that of another, in each round where both have it. */
export function ratios(row: Row, reference: Row, figure: Figure): number[] {
  return row.samples.flatMap((sample, round) => {
    const mine = sample[figure];
    const theirs = reference.samples[round]?.[figure];
    return mine === undefined || theirs === undefined || theirs === 0 ? [] : mine / theirs;
  });
}

/** The figure of a named row over that of another: the median over the rounds; undefined when either is missing. */
export function ratioOf(section: Section | undefined, name: string, against: string, figure: Figure) {
  const row = section?.rows.find((each) => each.name === name);
  const reference = section?.rows.find((each) => each.name === against);
  if (row === undefined || reference === undefined) return undefined;
  const all = ratios(row, reference, figure);
  return all.length === 0 ? undefined : spreadOf(all);
}
