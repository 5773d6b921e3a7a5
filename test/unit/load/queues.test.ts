import { describe, expect, it } from 'vitest';
import { QueueWatch } from '../../load/queues.ts';
import type { QueueLook } from '../../load/service.ts';
import type { Depth } from '../../load/tally.ts';
import { VirtualClock } from './virtual-clock.ts';

const queue = (name: string, waiting: number): QueueLook => ({ name, workers: 2, waiting, active: 1, delayed: 0 });
const NOBODY = new AbortController().signal;

function watch(looks: (readonly QueueLook[] | undefined)[], tookMs = 0) {
  const clock = new VirtualClock();
  const seen: [number, Depth][] = [];
  let last = looks[0];
  const look = async () => {
    if (tookMs > 0) await clock.wait(tookMs);
    if (looks.length > 0) last = looks.shift();
    return last;
  };
  const names = new Set(['a', 'b']);
  return { clock, seen, queues: new QueueWatch({ look, names, clock, seen: (at, depth) => seen.push([at, depth]) }) };
}

describe('the watch over the queues', () => {
  it('adds up the queues of the mix, and no other', async () => {
    const { queues, seen } = watch([[queue('a', 3), queue('b', 4), queue('other', 100)]]);
    await queues.look();
    expect(seen).toEqual([[0, { waiting: 7, active: 2, delayed: 0 }]]);
    expect(queues.depth).toBe(9);
  });

  it('tells how deep each was before, at most and after', async () => {
    const { queues } = watch([[queue('a', 3)], [queue('a', 9)], [queue('a', 1)]]);
    for (let look = 0; look < 3; look++) await queues.look();
    expect(queues.stories).toEqual({ a: { before: 4, peak: 10, after: 2, workers: 2 } });
  });

  it('looks once a second, however long a look takes, and never twice at once', async () => {
    const { queues, clock, seen } = watch([[queue('a', 1)]], 300);
    const over = new AbortController();
    const watching = queues.watch(over.signal);
    await clock.finish(clock.wait(3900));
    over.abort();
    await clock.finish(watching);
    expect(seen.map(([at]) => at)).toEqual([300, 1300, 2300, 3300]);
  });

  it('counts a look that failed, and goes on', async () => {
    const { queues } = watch([undefined, [queue('a', 1)]]);
    await queues.look();
    await queues.look();
    expect([queues.unreadable, queues.depth]).toEqual([1, 2]);
  });

  it('waits until the queues hold no more than before', async () => {
    const { queues, clock } = watch([[queue('a', 2)], [queue('a', 9)], [queue('a', 5)], [queue('a', 2)]]);
    await queues.look();
    const drained = await clock.finish(queues.drain(60_000, NOBODY));
    expect(drained).toEqual({ drained: true, seconds: 0.4, left: 0 });
  });

  it('gives up in time when they do not empty, and says what is left', async () => {
    const { queues, clock } = watch([[queue('a', 2)], [queue('a', 9)]]);
    await queues.look();
    const drained = await clock.finish(queues.drain(2000, NOBODY));
    expect(drained).toEqual({ drained: false, seconds: 2, left: 7 });
  });

  it('does not take queues that cannot be read for empty ones', async () => {
    const { queues, clock } = watch([undefined]);
    expect(await clock.finish(queues.drain(1000, NOBODY))).toMatchObject({ drained: false });
  });
});
