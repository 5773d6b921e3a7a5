import { describe, expect, it } from 'vitest';
import { Followers, MOST_AT_ONCE, PATIENCE_MS } from '../../load/followers.ts';
import { VirtualClock } from './virtual-clock.ts';

describe('the followers', () => {
  it('tell how long a job took from when its request was due', async () => {
    const clock = new VirtualClock();
    const state = async () => {
      await clock.wait(400);
      return 'completed';
    };
    const followers = new Followers({ state, clock, signal: new AbortController().signal });
    followers.follow('a_1', -100);
    await clock.finish(followers.done());
    expect(followers.outcomes).toMatchObject({ completed: 1, unfinished: 0 });
    expect(followers.latency.percentiles?.max).toBe(500);
  });

  it('ask again until the job has finished, also while nobody can tell', async () => {
    const clock = new VirtualClock();
    const states = [undefined, 'accepted', 'active', 'dead'];
    const state = async () => states.shift();
    const followers = new Followers({ state, clock, signal: new AbortController().signal });
    followers.follow('a_1', 0);
    await clock.finish(followers.done());
    expect(followers.outcomes).toMatchObject({ completed: 0, dead: 1 });
    expect(followers.latency.count).toBe(0);
  });

  it('give up a job that does not finish', async () => {
    const clock = new VirtualClock();
    const followers = new Followers({ state: async () => 'waiting', clock, signal: new AbortController().signal });
    followers.follow('a_1', 0);
    await clock.finish(followers.done());
    expect(followers.outcomes.unfinished).toBe(1);
    expect(clock.now()).toBe(PATIENCE_MS);
  });

  it('follow so many at once and no more, and count the others', async () => {
    const clock = new VirtualClock();
    const state = async () => {
      await clock.wait(10);
      return 'completed';
    };
    const followers = new Followers({ state, clock, signal: new AbortController().signal });
    for (let index = 0; index < MOST_AT_ONCE + 3; index++) followers.follow(`a_${index}`, 0);
    expect(followers.running).toBe(MOST_AT_ONCE);
    await clock.finish(followers.done());
    expect(followers.outcomes).toMatchObject({ completed: MOST_AT_ONCE, noRoom: 3 });
  });

  it('wait no longer when the signal aborts', async () => {
    const clock = new VirtualClock();
    const end = new AbortController();
    const state = async () => {
      end.abort();
      return undefined;
    };
    const followers = new Followers({ state, clock, signal: end.signal });
    followers.follow('a_1', 0);
    await clock.finish(followers.done());
    expect(followers.outcomes.unfinished).toBe(1);
  });
});
