import { describe, expect, test } from 'vitest';
import {
  freshNumber,
  hashOf,
  isRepeatableId,
  jobIdFor,
  queueOfJobId,
  requestIdOf,
} from '../../../src/queue/envelope.ts';

const id = (tenant: string, job: string, kind: 'once' | 'key', value: string) =>
  jobIdFor(tenant, job, { kind, value }, 0);

describe('requestIdOf', () => {
  const fresh = jobIdFor('t', 'my-queue.x', undefined, 5, freshNumber(5));

  test.each([
    ['what is stored', fresh, { requestId: 'r' }, 'r'],
    ['else the number in the id', fresh, {}, fresh.slice('my-queue_'.length)],
    ['else nothing, where the id stands for a key', id('t', 'my-queue.x', 'key', 'a'), {}, undefined],
  ])('is %s', (_what, jobId, data, expected) => {
    expect(requestIdOf(jobId, data)).toBe(expected);
  });
});

describe('jobIdFor', () => {
  test('the same sameness gives the same id at any time', () => {
    const at = (nowMs: number) => jobIdFor('t', 'learning.x', { kind: 'key', value: 'a' }, nowMs);
    expect(at(1)).toBe(at(2));
  });

  test.each([
    ['another tenant', id('u', 'learning.x', 'key', 'a')],
    ['another job', id('t', 'learning.y', 'key', 'a')],
    ['another kind', id('t', 'learning.x', 'once', 'a')],
    ['another value', id('t', 'learning.x', 'key', 'b')],
    ['parts that only join to the same text', id('tl', 'earning.x', 'key', 'a')],
  ])('%s gives another id', (_what, other) => {
    expect(other).not.toBe(id('t', 'learning.x', 'key', 'a'));
  });

  test('without sameness every id is new, and ids sort by time', () => {
    const ids = [1, 2, 3].map((ms) => jobIdFor('t', 'learning.x', undefined, 1_700_000_000_000 + ms));
    expect(new Set(ids).size).toBe(3);
    expect([...ids].sort()).toEqual(ids);
  });

  test('a number is part of the id, and of none that stands for a key', () => {
    const number = freshNumber(5);
    expect(jobIdFor('t', 'my-queue.x', undefined, 6, number)).toBe(`my-queue_${number}`);
    expect(jobIdFor('t', 'my-queue.x', { kind: 'key', value: 'a' }, 6, number)).toBe(id('t', 'my-queue.x', 'key', 'a'));
  });

  test('an id tells whether it can be given out again', () => {
    expect(isRepeatableId(id('t', 'my-queue.x', 'key', 'a'))).toBe(true);
    expect(isRepeatableId(jobIdFor('t', 'my-queue.x', undefined, 5))).toBe(false);
  });

  test('an id names its queue, and holds neither a colon nor only digits', () => {
    for (const each of [id('t', 'my-queue.x', 'key', 'a'), jobIdFor('t', 'my-queue.x', undefined, 5)]) {
      expect(queueOfJobId(each)).toBe('my-queue');
      expect(each).not.toMatch(/:|^\d+$/);
    }
  });
});

test.each(['', '12345', 'a:b', 'learning_zz', 'learning_', '../x', `learning_${'0'.repeat(33)}`])(
  '%j is no job id',
  (text) => {
    expect(queueOfJobId(text)).toBeUndefined();
  },
);

test('a hash does not depend on the order of keys, and does on everything else', () => {
  expect(hashOf({ a: 1, b: [1, { c: 2, d: undefined }] })).toBe(hashOf({ b: [1, { c: 2 }], a: 1 }));
  expect(hashOf({ a: 1 })).not.toBe(hashOf({ a: '1' }));
  expect(hashOf([1, 2])).not.toBe(hashOf([2, 1]));
});
