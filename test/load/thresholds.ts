/** What a load must hold, and whether it did. */

import { showCount, showMs, showShare, showSpan } from './quantity.ts';

/** One condition with its verdict, ready to be shown. */
export interface Verdict {
  /** The option that set it; null: it always holds. */
  readonly option: string | null;
  readonly name: string;
  /** As a person reads it: `at most 100 ms`. */
  readonly limit: string;
  readonly measured: string;
  readonly passed: boolean;
}

export interface Limits {
  readonly maxP99Ms: number | undefined;
  readonly maxErrorRate: number | undefined;
  readonly minThroughput: number | undefined;
  readonly waitMs: number | undefined;
}

export interface Measured {
  readonly acceptedJobs: number;
  /** Of all requests, and of the accepted ones; undefined when there was none. */
  readonly p99Ms: number | undefined;
  readonly acceptedP99Ms: number | undefined;
  /** Failed requests of those that were due. */
  readonly errorRate: number;
  /** Jobs accepted a second, after the ramp. */
  readonly throughput: number;
  /** How the wait for empty queues ended; null when nobody waited. */
  readonly drain: { readonly drained: boolean; readonly seconds: number; readonly left: number } | null;
}

/**
 * Judge a run. What was not asked for is not judged, except that something must have been accepted: a run that only met
 * refusals is no measurement. The p99 is the slower one of all requests and of the accepted ones, so that quick refusals
 * do not make it look better.
 */
export function judge(measured: Measured, { maxP99Ms, maxErrorRate, minThroughput, waitMs }: Limits): Verdict[] {
  const { acceptedJobs, errorRate, throughput, drain } = measured;
  const verdicts: Verdict[] = [
    {
      option: null,
      name: 'Jobs accepted',
      limit: 'at least 1',
      measured: showCount(acceptedJobs),
      passed: acceptedJobs > 0,
    },
  ];
  if (maxP99Ms !== undefined) {
    const known = [measured.p99Ms, measured.acceptedP99Ms].filter((each) => each !== undefined);
    const worse = known.length > 0 ? Math.max(...known) : undefined;
    verdicts.push({
      option: '--max-p99',
      name: 'Latency, 99th percentile',
      limit: `at most ${showMs(maxP99Ms)}`,
      measured: worse === undefined ? 'no request' : apart(worse, maxP99Ms, showMs),
      passed: worse !== undefined && worse <= maxP99Ms,
    });
  }
  if (maxErrorRate !== undefined) {
    verdicts.push({
      option: '--max-error-rate',
      name: 'Requests that failed',
      limit: `at most ${showShare(maxErrorRate)}`,
      measured: apart(errorRate, maxErrorRate, showShare),
      passed: errorRate <= maxErrorRate,
    });
  }
  if (minThroughput !== undefined) {
    verdicts.push({
      option: '--min-throughput',
      name: 'Jobs accepted a second',
      limit: `at least ${showCount(minThroughput)}`,
      measured: apart(throughput, minThroughput, showCount),
      passed: throughput >= minThroughput,
    });
  }
  if (waitMs !== undefined) {
    const { drained, seconds, left } = drain ?? { drained: false, seconds: 0, left: Number.NaN };
    const rest = Number.isNaN(left) ? 'not known' : `${showCount(left)} jobs left`;
    verdicts.push({
      option: '--wait',
      name: 'Queues as empty as before',
      limit: `within ${showSpan(waitMs)}`,
      measured: drained ? `after ${showSpan(seconds * 1000)}` : rest,
      passed: drained,
    });
  }
  return verdicts;
}

/** A value as it is shown beside its limit: with more digits when they would look alike and are not. */
function apart(value: number, limit: number, show: (value: number) => string): string {
  if (value === limit || show(value) !== show(limit)) return show(value);
  return `${show(value)} (${value < limit ? 'just below' : 'just above'})`;
}
