import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Settled, Tally } from '../../load/tally.ts';

const NOTHING = { job: 'a.b', waited: false, status: 202, code: undefined, jobs: 1 };

/** Tell the tally of requests in the order in which they end; each was sent when it was due. */
function tallied(requests: readonly (Partial<Settled> & { dueMs: number; doneMs: number })[]): Tally {
  const tally = new Tally();
  for (const request of [...requests].sort((a, b) => a.doneMs - b.doneMs)) {
    const settled: Settled = { ...NOTHING, sentMs: request.dueMs, ...request };
    if (settled.sentMs !== undefined) tally.send(settled.dueMs, settled.sentMs, settled.waited);
    tally.settle(settled);
  }
  return tally;
}

describe('the tally', () => {
  it('counts each request once, so that all its sums agree', () => {
    const request = fc
      .record({
        dueMs: fc.double({ min: 0, max: 5000, noNaN: true }),
        tookMs: fc.double({ min: 0, max: 3000, noNaN: true }),
        code: fc.constantFrom(undefined, undefined, 'timed-out', 'store-unavailable', 'unsent'),
        job: fc.constantFrom('a.b', 'c.d'),
      })
      .map(({ dueMs, tookMs, code, job }) => ({
        job,
        dueMs,
        doneMs: dueMs + tookMs,
        ...(code === 'unsent' && { sentMs: undefined }),
        status: code === undefined ? 202 : code === 'store-unavailable' ? 503 : 0,
        code,
        jobs: code === undefined ? 1 : 0,
      }));
    fc.assert(
      fc.property(fc.array(request, { maxLength: 200 }), (requests) => {
        const tally = tallied(requests);
        tally.end(9000);
        const sum = (of: 'due' | 'sent' | 'accepted' | 'acceptedJobs' | 'failed') =>
          tally.seconds.reduce((total, second) => total + second[of], 0);
        const failed = requests.filter(({ code }) => code !== undefined).length;
        const unsent = requests.filter(({ code }) => code === 'unsent').length;
        expect(tally.due).toBe(requests.length);
        expect(tally.unsent).toBe(unsent);
        expect(tally.failed.count).toBe(failed);
        expect(tally.accepted.count + tally.failed.count).toBe(tally.all.count);
        expect(tally.inFlight).toBe(0);
        expect(tally.errors.reduce((total, { count }) => total + count, 0)).toBe(failed);
        expect([...tally.jobs.values()].reduce((total, job) => total + job.requests, 0)).toBe(requests.length);
        expect([sum('due'), sum('sent'), sum('accepted'), sum('failed')]).toEqual([
          requests.length,
          requests.length - unsent,
          requests.length - failed,
          failed,
        ]);
        expect(sum('acceptedJobs')).toBe(tally.acceptedJobs);
      }),
    );
  });

  it('tells the percentiles of each second by the answers in it, and none of a second without one', () => {
    const tally = tallied([
      { dueMs: 100, doneMs: 110 },
      { dueMs: 200, doneMs: 2230 },
      { dueMs: 2900, doneMs: 2950 },
    ]);
    tally.end(3000);
    expect(tally.seconds.map(({ second, latencyMs }) => [second, latencyMs?.max ?? null])).toEqual([
      [0, 10],
      [1, null],
      [2, 2030],
    ]);
  });

  it('counts latency from when a request was due, and from its sending when that was a moment earlier', () => {
    const late = tallied([{ dueMs: 100, sentMs: 400, doneMs: 410, waited: true }]);
    expect([late.all.percentiles?.max, late.service.percentiles?.max]).toEqual([310, 10]);
    const early = tallied([{ dueMs: 100.5, sentMs: 100, doneMs: 101 }]);
    expect(early.all.percentiles?.max).toBe(1);
  });

  it('counts as its own slowness only what was late with a connection free', () => {
    const tally = tallied([
      { dueMs: 0, sentMs: 5, doneMs: 10 },
      { dueMs: 0, sentMs: 500, doneMs: 510, waited: true },
    ]);
    expect(tally.lag.percentiles).toMatchObject({ count: 1, max: 5 });
  });

  it('counts the accepted jobs of a bulk request that failed in part', () => {
    const tally = tallied([{ dueMs: 0, doneMs: 5, jobs: 7, code: 'invalid-input' }]);
    expect([tally.acceptedJobs, tally.accepted.count, tally.failed.count]).toEqual([7, 0, 1]);
  });

  it('shows the most requests that were in flight in each second, and those that still are in the next', () => {
    const tally = new Tally();
    const sent = [0, 10, 20].map((ms) => ({ ...NOTHING, dueMs: ms, sentMs: ms }));
    for (const { dueMs, sentMs } of sent) tally.send(dueMs, sentMs, false);
    for (const [index, each] of sent.entries()) tally.settle({ ...each, doneMs: [30, 40, 2500][index] ?? 0 });
    tally.end(3000);
    expect(tally.seconds.map(({ inFlight }) => inFlight)).toEqual([3, 1, 1]);
  });

  it('keeps what the service said the first time, and no more codes than a page can show', () => {
    const tally = tallied([
      ...Array.from({ length: 300 }, (_, index) => ({
        dueMs: 0,
        doneMs: 1,
        status: 500,
        code: `code-${index}`,
        detail: `first ${index}`,
        jobs: 0,
      })),
      { dueMs: 0, doneMs: 2, status: 500, code: 'code-0', detail: 'second 0', jobs: 0 },
    ]);
    expect(tally.errors).toHaveLength(51);
    expect(tally.errors[0]).toMatchObject({ code: 'other-codes', count: 250 });
    expect(tally.errors[1]).toEqual({ code: 'code-0', status: 500, count: 2, detail: 'first 0' });
  });

  it('shows the last look at the queues in each second', () => {
    const tally = new Tally();
    tally.look(100, { waiting: 1, active: 0, delayed: 0 });
    tally.look(900, { waiting: 2, active: 0, delayed: 0 });
    tally.look(2100, { waiting: 3, active: 0, delayed: 0 });
    tally.end(2500);
    expect(tally.seconds.map(({ depth }) => depth?.waiting ?? null)).toEqual([2, null, 3]);
  });
});
