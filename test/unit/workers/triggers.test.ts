import { expect, test } from 'vitest';
import { nextTick } from '../../../workers/triggers.ts';

test.each([
  [60_000, '2026-11-21T10:00:30Z', '2026-11-21T10:01:00.000Z'],
  [60_000, '2026-11-21T10:01:00Z', '2026-11-21T10:02:00.000Z'],
  ['10 3 * * *', '2026-11-21T10:00:00Z', '2026-11-22T03:10:00.000Z'],
  ['10 3 * * *', '2026-11-21T03:10:00Z', '2026-11-22T03:10:00.000Z'],
])('the clock line %s after %s is next at %s', (every, now, next) => {
  expect(nextTick(every, Date.parse(now)).toISOString()).toBe(next);
});
