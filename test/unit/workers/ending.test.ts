import { describe, expect, test, vi } from 'vitest';
import { Ending } from '../../../workers/ending.ts';
import { latch } from '../../support/latch.ts';

const first = new Error('first');
const second = new Error('second');
const never = () => new Promise<never>(() => {});

describe('an ending', () => {
  test('keeps its first reason', async () => {
    const ending = new Ending();
    ending.end(first);
    ending.end(second);
    expect(() => ending.throwIfEnded()).toThrow(first);
    expect(ending.signal.reason).toBe(first);
  });

  test('that has not come lets work give its value or its error', async () => {
    const ending = new Ending();
    ending.throwIfEnded();
    expect(await ending.unlessEnded(async () => 'done')).toBe('done');
    await expect(ending.unlessEnded(() => Promise.reject(first))).rejects.toBe(first);
    await expect(
      ending.unlessEnded(() => {
        throw second;
      }),
    ).rejects.toBe(second);
  });

  test('tells everyone who waits for work that does not end, and aborts the signal', async () => {
    const ending = new Ending();
    const { signal } = ending;
    const waiting = [ending.unlessEnded(never), ending.unlessEnded(never)];
    ending.end(first);
    for (const each of waiting) await expect(each).rejects.toBe(first);
    expect(signal).toMatchObject({ aborted: true, reason: first });
  });

  test('that has come lets no work begin', async () => {
    const ending = new Ending();
    ending.end(first);
    let began = false;
    const work = ending.unlessEnded(async () => {
      began = true;
    });
    await expect(work).rejects.toBe(first);
    expect(began).toBe(false);
  });

  test('takes no notice of how work ends that it has given up', async () => {
    const ending = new Ending();
    const gate = latch();
    const work = ending.unlessEnded(async () => {
      await gate.opened;
      throw second;
    });
    ending.end(first);
    gate.open();
    await expect(work).rejects.toBe(first);
  });

  test('comes when its time is over, or with a signal', async () => {
    const timed = new Ending();
    timed.endIn(10, () => first);
    await expect(timed.unlessEnded(never)).rejects.toBe(first);
    const led = new Ending();
    const leader = new AbortController();
    led.endWith(leader.signal);
    leader.abort(second);
    await expect(led.unlessEnded(never)).rejects.toBe(second);
    const late = new Ending();
    late.endWith(leader.signal);
    expect(() => late.throwIfEnded()).toThrow(second);
  });

  test('does not come once the work is settled', async () => {
    const settled = new Ending();
    settled.endIn(5, () => first);
    settled.settle();
    const later = new Ending();
    later.endIn(30, () => second);
    await expect(later.unlessEnded(never)).rejects.toBe(second);
    settled.throwIfEnded();
    expect(settled.signal.aborted).toBe(false);
  });

  test('whose clock was stopped comes its whole time after the clock is started again', async () => {
    vi.useFakeTimers();
    try {
      const ending = new Ending();
      ending.endIn(100, () => first);
      await vi.advanceTimersByTimeAsync(99);
      const startClock = ending.stopClock();
      await vi.advanceTimersByTimeAsync(1000);
      ending.throwIfEnded();
      startClock();
      await vi.advanceTimersByTimeAsync(99);
      ending.throwIfEnded();
      await vi.advanceTimersByTimeAsync(1);
      expect(() => ending.throwIfEnded()).toThrow(first);
    } finally {
      vi.useRealTimers();
    }
  });

  test('that has come starts no clock', () => {
    vi.useFakeTimers();
    try {
      const ending = new Ending();
      ending.endIn(100, () => second);
      const startClock = ending.stopClock();
      ending.end(first);
      startClock();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});
