/** The report of a load: `report.json` as it is written, made from what was counted. Times in milliseconds. */

import type { Bar, Histogram, Percentiles } from './histogram.ts';
import type { Effort, Machine } from './machine.ts';
import type { LoadOptions } from './options.ts';
import { showCount, showMs, showShare } from './quantity.ts';
import type { QueueStory } from './queues.ts';
import type { ErrorCount, Second, Tally } from './tally.ts';
import { judge, type Verdict } from './thresholds.ts';

/** How one kind of job fared. */
export interface JobRow {
  readonly job: string;
  readonly weight: number;
  /** Parts of the payload that are other ones in each request. */
  readonly varied: readonly string[];
  readonly requests: number;
  readonly accepted: number;
  readonly acceptedJobs: number;
  readonly latencyMs: Percentiles | null;
}

/** Accepted jobs that were followed to their end. */
export interface Followed {
  readonly share: number;
  readonly outcomes: Readonly<Record<'completed' | 'dead' | 'cancelled' | 'unfinished' | 'noRoom', number>>;
}

export interface Report {
  /** Raised when a reader of an older report would misread this one. */
  readonly format: 1;
  readonly verdict: 'pass' | 'fail';
  readonly startedAt: string;
  /** When the load ended by itself or by Ctrl-C; answers may have come later. */
  readonly loadMs: number;
  /** Until the last answer, the last followed job and the wait for empty queues. */
  readonly totalMs: number;
  readonly endedEarly: boolean;
  readonly url: string;
  readonly command: string;
  /** The same requests at the same times again. */
  readonly replay: string;
  readonly versions: { readonly service: string | null; readonly node: string; readonly millrace: string };
  readonly machine: Machine;
  readonly options: Omit<LoadOptions, 'url' | 'apiKey' | 'report' | 'mix'>;
  readonly totals: {
    /** Requests that should have been sent; accepted and failed ones together. */
    readonly due: number;
    readonly sent: number;
    /** Due, and never sent: no connection was free in time. */
    readonly unsent: number;
    readonly accepted: number;
    readonly failed: number;
    readonly acceptedJobs: number;
    /** Failed of due, 0–1. */
    readonly errorRate: number;
    /** Requests that found every connection busy when they were due. */
    readonly waited: number;
  };
  readonly throughput: {
    /** Requests that were due, a second of the load. */
    readonly due: number;
    /** Accepted a second after the ramp, until the load or the last accepted answer ended. */
    readonly requests: number;
    readonly jobs: number;
  };
  readonly latencyMs: {
    /** From when a request should have been sent until it was answered or given up. */
    readonly all: Percentiles | null;
    readonly accepted: Percentiles | null;
    readonly failed: Percentiles | null;
    /** From when it was sent. */
    readonly service: Percentiles | null;
    /** From when a request should have been sent until its job was seen completed; a sample. */
    readonly completed: Percentiles | null;
  };
  readonly histogram: readonly Bar[];
  readonly followed: Followed | null;
  readonly jobs: readonly JobRow[];
  readonly statuses: Readonly<Record<string, number>>;
  readonly errors: readonly ErrorCount[];
  readonly queues: Readonly<Record<string, QueueStory>>;
  /** Looks at the queues that failed. */
  readonly unreadable: number;
  readonly drain: { readonly drained: boolean; readonly seconds: number; readonly left: number } | null;
  readonly generator: Effort & { readonly lagMs: Percentiles | null };
  readonly thresholds: readonly Verdict[];
  /** What a reader should know before trusting the figures. */
  readonly warnings: readonly string[];
  readonly seconds: readonly Second[];
}

/** What a run hands over. */
export interface Findings {
  readonly options: LoadOptions;
  readonly startedAt: Date;
  readonly loadMs: number;
  readonly totalMs: number;
  readonly endedEarly: boolean;
  readonly command: string;
  readonly replay: string;
  readonly versions: Report['versions'];
  readonly machine: Machine;
  readonly tally: Tally;
  readonly mix: readonly { readonly job: string; readonly weight: number; readonly varied: readonly string[] }[];
  readonly followed: (Followed & { readonly latency: Histogram }) | null;
  readonly queues: Report['queues'];
  readonly unreadable: number;
  readonly drain: Report['drain'];
  readonly effort: Effort;
}

/** Make the report of a run. */
export function makeReport(findings: Findings): Report {
  const { options, tally, followed, loadMs, drain } = findings;
  const { url, apiKey: _apiKey, report: _report, mix: _mix, ...shown } = options;
  const throughput = throughputOf(findings);
  const { due, sent, unsent, acceptedJobs, waited } = tally;
  const errorRate = due === 0 ? 0 : tally.failed.count / due;
  const thresholds = judge(
    {
      acceptedJobs,
      errorRate,
      throughput: throughput.jobs,
      p99Ms: tally.all.percentile(0.99),
      acceptedP99Ms: tally.accepted.percentile(0.99),
      drain,
    },
    options,
  );
  return {
    format: 1,
    verdict: thresholds.every(({ passed }) => passed) ? 'pass' : 'fail',
    startedAt: findings.startedAt.toISOString(),
    loadMs,
    totalMs: findings.totalMs,
    endedEarly: findings.endedEarly,
    url: url.href,
    command: findings.command,
    replay: findings.replay,
    versions: findings.versions,
    machine: findings.machine,
    options: shown,
    totals: {
      due,
      sent,
      unsent,
      accepted: tally.accepted.count,
      failed: tally.failed.count,
      acceptedJobs,
      errorRate,
      waited,
    },
    throughput,
    latencyMs: {
      all: tally.all.percentiles ?? null,
      accepted: tally.accepted.percentiles ?? null,
      failed: tally.failed.percentiles ?? null,
      service: tally.service.percentiles ?? null,
      completed: followed?.latency.percentiles ?? null,
    },
    histogram: tally.all.bars,
    followed: followed === null ? null : { share: followed.share, outcomes: followed.outcomes },
    jobs: findings.mix.map(({ job, weight, varied }) => ({ job, weight, varied, ...jobCounts(tally, job) })),
    statuses: Object.fromEntries([...tally.statuses].map(([status, count]) => [String(status), count])),
    errors: tally.errors,
    queues: findings.queues,
    unreadable: findings.unreadable,
    drain,
    generator: { ...findings.effort, lagMs: tally.lag.percentiles ?? null },
    thresholds,
    warnings: warningsOf(findings, errorRate),
    seconds: tally.seconds,
  };
}

function jobCounts(tally: Tally, job: string): Pick<JobRow, 'requests' | 'accepted' | 'acceptedJobs' | 'latencyMs'> {
  const counted = tally.jobs.get(job);
  if (counted === undefined) return { requests: 0, accepted: 0, acceptedJobs: 0, latencyMs: null };
  const { requests, accepted, acceptedJobs, latency } = counted;
  return { requests, accepted, acceptedJobs, latencyMs: latency.percentiles ?? null };
}

/** The ramp does not count; whole seconds of it, for seconds are what was counted. */
function throughputOf({ tally, loadMs, options }: Findings): Report['throughput'] {
  const rampSeconds = Math.ceil(options.rampMs / 1000);
  const after = tally.seconds.slice(rampSeconds);
  const seconds = Math.max(loadMs, tally.lastAcceptedMs) / 1000 - rampSeconds;
  const perSecond = (count: number, over: number) => (over > 0 ? count / over : 0);
  return {
    due: perSecond(tally.due, loadMs / 1000),
    requests: perSecond(
      after.reduce((sum, { accepted }) => sum + accepted, 0),
      seconds,
    ),
    jobs: perSecond(
      after.reduce((sum, { acceptedJobs }) => sum + acceptedJobs, 0),
      seconds,
    ),
  };
}

/** Above this share of one core the generator's own work shows in what it measures. */
const BUSY_SHARE = 0.8;
const LATE_MS = 10;
const GROWN_BY = 1.5;

/** What a reader should know before trusting the figures, one sentence each. */
function warningsOf(findings: Findings, errorRate: number): string[] {
  const { tally, effort, options, followed, unreadable, endedEarly, queues } = findings;
  const lagMs = tally.lag.percentile(0.99) ?? 0;
  const warnings: string[] = [];
  if (endedEarly) warnings.push('The load was ended early.');
  if (effort.cpuShare > BUSY_SHARE) {
    warnings.push(
      `The load itself used ${showShare(Math.min(1, effort.cpuShare))} of a core: times include its own slowness. Lower the rate, or share it among several machines.`,
    );
  }
  if (lagMs > LATE_MS) {
    warnings.push(
      `One request in a hundred was sent ${showMs(lagMs)} late although a connection was free: this machine was busy.`,
    );
  }
  if (tally.waited > 0) {
    warnings.push(
      `${showCount(tally.waited)} of ${showCount(tally.due)} requests found all ${options.connections} connections busy when they were due. Their latency counts from then.`,
    );
  }
  if (tally.unsent > 0) {
    warnings.push(
      `${showCount(tally.unsent)} requests were never sent, for no connection was free in time. They count as failed.`,
    );
  }
  if (tally.due > 0 && errorRate === 1) warnings.push('Every request failed: latencies are those of failures.');
  if (options.rate === 'max') {
    warnings.push(
      'With --rate max answers set the pace: a service that stalls is asked less, so latencies look better than callers would find them.',
    );
  }
  const noRoom = followed?.outcomes.noRoom ?? 0;
  if (noRoom > 0) {
    warnings.push(`${showCount(noRoom)} jobs of the sample were not followed: too many were followed already.`);
  }
  if (unreadable > 0) {
    const often = unreadable === 1 ? 'once' : `${showCount(unreadable)} times`;
    warnings.push(`The depth of the queues could not be read ${often}.`);
  }
  for (const [name, { workers, before, after }] of Object.entries(queues)) {
    if (workers === 0) warnings.push(`No worker took jobs from the queue ${name}.`);
    else if (after > 100 && after > Math.max(1, before) * GROWN_BY) {
      warnings.push(
        `The queue ${name} grew from ${showCount(before)} to ${showCount(after)} jobs: work came faster than workers did it.`,
      );
    }
  }
  return warnings;
}
