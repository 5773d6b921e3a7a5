import { describe, expect, test } from 'vitest';
import { AppError, ERRORS, type ErrorCode, Snooze } from '../../../src/errors.ts';
import { backoffMs, outcomeOf } from '../../../workers/outcome.ts';

const half = () => 0.5;

describe('outcomeOf', () => {
  test('a snooze runs later, when it said', () => {
    expect(outcomeOf(new Snooze(1234, 'waiting'))).toEqual({ kind: 'later', delayMs: 1234, why: 'waiting' });
  });

  test('shutting down puts the job back', () => {
    expect(outcomeOf(new AppError('shutting-down', 'x'))).toEqual({ kind: 'put-back' });
  });

  test.each<[ErrorCode]>([['resource-held'], ['fence-lost'], ['lock-lost'], ['store-unavailable']])(
    '%s runs later and spends no attempt',
    (code) => {
      expect(outcomeOf(new AppError(code, 'x'), half)).toMatchObject({ kind: 'later', delayMs: 150 });
    },
  );

  test('a later error with a time of its own waits that long, and jitter', () => {
    const error = new AppError('store-unavailable', 'x', { retryAfterSeconds: 2 });
    expect(outcomeOf(error, () => 0)).toMatchObject({ delayMs: 2000 });
    expect(outcomeOf(error, () => 1)).toMatchObject({ delayMs: 4000 });
  });

  test.each<[ErrorCode]>([['payload-invalid'], ['job-cancelled'], ['work-refused'], ['unknown-job'], ['job-expired']])(
    '%s is dead at once',
    (code) => {
      expect(outcomeOf(new AppError(code, 'x'))).toEqual({ kind: 'dead', code, message: 'x' });
    },
  );

  test.each([[new Error('x')], ['x'], [new TypeError('x')]])('%s is tried again', (error) => {
    expect(outcomeOf(error)).toEqual({ kind: 'retry', code: 'internal', message: 'x' });
  });

  test('every code has an outcome', () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) expect(outcomeOf(new AppError(code, 'x'))).toBeDefined();
  });
});

describe('backoffMs', () => {
  const backoff = { delayMs: 1000, capMs: 10_000 };

  test.each([
    [1, 1000],
    [2, 2000],
    [3, 4000],
    [4, 8000],
    [5, 10_000],
    [50, 10_000],
  ])('after %i failed attempts it is at most %i ms', (made, most) => {
    expect(backoffMs(backoff, made, () => 1)).toBe(most);
    expect(backoffMs(backoff, made, () => 0)).toBe(most / 2);
  });
});
