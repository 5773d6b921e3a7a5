import { describe, expect, it } from 'vitest';
import { type Moment, Progress } from '../../load/progress.ts';
import type { Second } from '../../load/tally.ts';

const last: Second = {
  second: 4,
  due: 200,
  sent: 200,
  accepted: 197,
  acceptedJobs: 197,
  failed: 3,
  errors: {},
  latencyMs: { p50: 2.13, p90: 5, p99: 48, max: 90 },
  inFlight: 2,
  depth: null,
};
const moment: Moment = { nowMs: 5001, last, inFlight: 2, depth: 1234, failed: 7 };

function told(moments: readonly Moment[], columns?: number): string {
  let text = '';
  const stream = { write: (part: string) => (text += part), columns };
  const progress = new Progress({ durationMs: 60_000, stream });
  for (const each of moments) progress.show(each);
  progress.end();
  return text;
}

describe('the progress', () => {
  it('tells rate, requests in flight, latency of the last second, depth and errors', () => {
    expect(told([moment])).toBe(
      '5 s of 1 min   200/s   in flight 2   p50 2.1 ms   p99 48 ms   depth 1,234   errors 7\n',
    );
  });

  it('is a line every five seconds where no line can be renewed', () => {
    const moments = Array.from({ length: 12 }, (_, index) => ({ ...moment, nowMs: (index + 1) * 1000 }));
    expect(told(moments).split('\n').filter(Boolean)).toHaveLength(2);
  });

  it('renews one line of a terminal, no longer than it is wide, and leaves it empty', () => {
    const text = told([moment, moment], 40);
    expect(text).not.toContain('\n');
    const lines = text.split('\r\u001b[2K');
    expect(lines.slice(1, 3).map(({ length }) => length)).toEqual([39, 39]);
    expect(lines.at(-1)).toBe('');
  });

  it('says what is not known yet', () => {
    expect(told([{ nowMs: 0, last: undefined, inFlight: 0, depth: undefined, failed: 0 }])).toContain(
      '0/s   in flight 0   p50 –   p99 –   depth unknown   errors 0',
    );
  });
});
