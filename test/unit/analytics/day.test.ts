import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addDays,
  day,
  dayOf,
  daysBetween,
  groupOf,
  groupsBetween,
  rememberingDayOf,
  startOf,
} from '../../../src/analytics/day.ts';

const anyDay = fc
  .date({ min: new Date('2000-01-01'), max: new Date('2199-12-31'), noInvalidDate: true })
  .map((date) => dayOf(date));

describe('a day', () => {
  test.each([
    ['2026-11-21T23:59:59.999Z', '2026-11-21'],
    ['2026-11-22T00:00:00.000Z', '2026-11-22'],
    // The hour that Berlin has twice, and the one it has not: days are UTC's.
    ['2026-10-25T02:30:00+02:00', '2026-10-25'],
    ['2026-10-25T01:30:00+02:00', '2026-10-24'],
    ['2026-03-29T03:30:00+02:00', '2026-03-29'],
    ['2026-12-31T23:30:00-05:00', '2027-01-01'],
  ])('of %s is %s', (at, which) => {
    expect(dayOf(new Date(at))).toBe(which);
  });

  test('has 24 hours on every day of the calendar', () => {
    fc.assert(
      fc.property(anyDay, (which) => {
        expect(startOf(addDays(which, 1)).getTime() - startOf(which).getTime()).toBe(86_400_000);
        expect(addDays(addDays(which, 1), -1)).toBe(which);
        expect(daysBetween(which, addDays(which, 365))).toBe(366);
      }),
    );
  });

  test.each([
    '',
    '2026-2-3',
    '2026-02-30',
    '2025-02-29',
    '2026-13-01',
    '2026-00-10',
    '1999-12-31',
    '+2026-01-01',
    '2026-01-01T00:00',
    ' 2026-01-01',
    '２０２６-01-01',
  ])('is not %j', (text) => {
    expect(day.safeParse(text).success).toBe(false);
  });

  test('of a leap year is one', () => {
    expect(day.safeParse('2028-02-29').success).toBe(true);
  });
});

describe('a group', () => {
  test('of a week begins on Monday, that of a month on the first', () => {
    expect(groupOf('2026-11-22', 'week')).toBe('2026-11-16');
    expect(groupOf('2026-11-16', 'week')).toBe('2026-11-16');
    expect(groupOf('2027-01-01', 'week')).toBe('2026-12-28');
    expect(groupOf('2026-11-21', 'month')).toBe('2026-11-01');
  });

  test('holds each day of a span once, in order', () => {
    fc.assert(
      fc.property(
        anyDay,
        fc.integer({ min: 0, max: 365 }),
        fc.constantFrom('day', 'week', 'month'),
        (from, more, group) => {
          const groups = groupsBetween(from, addDays(from, more), group);
          expect(groups).toEqual([...new Set(groups)].sort());
          expect(groups[0]).toBe(groupOf(from, group));
          expect(groups.at(-1)).toBe(groupOf(addDays(from, more), group));
        },
      ),
    );
  });
});

test('a day that is remembered is the same as one that is written out, whichever was asked for before', () => {
  const remembering = rememberingDayOf();
  const midnight = Date.UTC(2026, 10, 21);
  for (const at of [midnight, midnight + 86_399_999, midnight + 86_400_000, midnight - 1, midnight, 0]) {
    expect(remembering(at)).toBe(dayOf(at));
  }
});
