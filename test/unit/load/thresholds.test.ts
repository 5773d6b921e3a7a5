import { describe, expect, it } from 'vitest';
import { judge, type Limits, type Measured } from '../../load/thresholds.ts';

const MEASURED: Measured = {
  acceptedJobs: 990,
  p99Ms: 80,
  acceptedP99Ms: 90,
  errorRate: 0.01,
  throughput: 99.96,
  drain: null,
};
const NONE: Limits = { maxP99Ms: undefined, maxErrorRate: undefined, minThroughput: undefined, waitMs: undefined };

function verdicts(limits: Partial<Limits>, measured: Partial<Measured> = {}) {
  return judge({ ...MEASURED, ...measured }, { ...NONE, ...limits }).map(
    ({ option, passed }) => `${option ?? 'always'} ${passed ? 'pass' : 'fail'}`,
  );
}

describe('the thresholds', () => {
  it('ask only that something was accepted when none is given', () => {
    expect(verdicts({})).toEqual(['always pass']);
    expect(verdicts({}, { acceptedJobs: 0 })).toEqual(['always fail']);
  });

  it('hold at the very limit', () => {
    expect(verdicts({ maxP99Ms: 90, maxErrorRate: 0.01, minThroughput: 99.96 })).toEqual([
      'always pass',
      '--max-p99 pass',
      '--max-error-rate pass',
      '--min-throughput pass',
    ]);
  });

  it('are passed just beyond the limit, each by itself', () => {
    expect(verdicts({ maxP99Ms: 89.9, maxErrorRate: 0.0099, minThroughput: 100 })).toEqual([
      'always pass',
      '--max-p99 fail',
      '--max-error-rate fail',
      '--min-throughput fail',
    ]);
  });

  it('judge the slower p99, so that quick refusals do not help', () => {
    expect(verdicts({ maxP99Ms: 85 })).toContain('--max-p99 fail');
    expect(verdicts({ maxP99Ms: 85 }, { p99Ms: 90, acceptedP99Ms: 80 })).toContain('--max-p99 fail');
    expect(verdicts({ maxP99Ms: 85 }, { p99Ms: 80, acceptedP99Ms: undefined })).toContain('--max-p99 pass');
  });

  it('do not hold when there was nothing to measure', () => {
    expect(verdicts({ maxP99Ms: 85 }, { p99Ms: undefined, acceptedP99Ms: undefined })).toContain('--max-p99 fail');
  });

  it('ask for empty queues when somebody waited for them', () => {
    const drained = { drained: true, seconds: 3, left: 0 };
    expect(verdicts({ waitMs: 5000 }, { drain: drained })).toContain('--wait pass');
    expect(verdicts({ waitMs: 5000 }, { drain: { drained: false, seconds: 5, left: 7 } })).toContain('--wait fail');
    expect(verdicts({ waitMs: 5000 }, { drain: null })).toContain('--wait fail');
  });

  it('never show a failure as if it had held', () => {
    const [, row] = judge(MEASURED, { ...NONE, minThroughput: 100 });
    expect(row).toMatchObject({ measured: '100 (just below)', limit: 'at least 100', passed: false });
  });
});
