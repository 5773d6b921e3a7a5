import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../load/random.ts';
import { dueTimes, type ScheduleOptions } from '../../load/schedule.ts';

function schedule(options: Partial<ScheduleOptions> & { seed?: number }): number[] {
  const random = new Random(options.seed ?? 1, 'arrivals');
  return [...dueTimes({ rate: 100, durationMs: 1000, rampMs: 0, arrivals: 'constant', random, ...options })];
}

describe('the schedule', () => {
  it('spaces a constant rate evenly, from the first moment on', () => {
    expect(schedule({ rate: 4 })).toEqual([0, 250, 500, 750]);
  });

  it('has one request when the rate is slower than the duration', () => {
    expect(schedule({ rate: 0.1 })).toEqual([0]);
  });

  it('grows evenly over the ramp, and brings half as many requests in it', () => {
    const times = schedule({ rate: 1000, durationMs: 4000, rampMs: 2000 });
    const within = (from: number, to: number) => times.filter((ms) => ms >= from && ms < to).length;
    expect(within(0, 2000)).toBeCloseTo(1000, -1);
    expect(within(0, 1000)).toBeCloseTo(250, -1);
    expect(within(2000, 4000)).toBeCloseTo(2000, -1);
  });

  it('is ascending and below the duration, whatever was asked for', () => {
    const options = fc.record({
      rate: fc.double({ min: 0.1, max: 2000, noNaN: true }),
      durationMs: fc.integer({ min: 1000, max: 3000 }),
      rampMs: fc.integer({ min: 0, max: 999 }),
      arrivals: fc.constantFrom('constant' as const, 'poisson' as const),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(options, (asked) => {
        const times = schedule(asked);
        expect(times.every((ms, index) => ms >= (times[index - 1] ?? 0) && ms < asked.durationMs)).toBe(true);
      }),
    );
  });

  it('lets strangers come as a Poisson process: the mean as asked for, gaps spread like its own length', () => {
    const times = schedule({ rate: 1000, durationMs: 20_000, arrivals: 'poisson' });
    expect(times.length).toBeGreaterThan(19_400);
    expect(times.length).toBeLessThan(20_600);
    const gaps = times.slice(1).map((ms, index) => ms - (times[index] ?? 0));
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    const spread = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length);
    expect(spread / mean).toBeGreaterThan(0.95);
    expect(spread / mean).toBeLessThan(1.05);
  });

  it('is the same again with the same seed, and another one with another', () => {
    const strangers = (seed: number) => schedule({ arrivals: 'poisson', seed });
    expect(strangers(7)).toEqual(strangers(7));
    expect(strangers(7)).not.toEqual(strangers(8));
  });
});
