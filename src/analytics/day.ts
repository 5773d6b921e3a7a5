/**
 * Days as analytics counts them: from midnight to midnight in UTC, whatever clock the machine or its users have.
 *
 * Promises: pure; a text that is no day of the calendar is refused; a day is always 24 hours, for UTC has no summer time.
 */

import { z } from 'zod';

/** `YYYY-MM-DD`. */
export type Day = string;

export type Group = 'day' | 'week' | 'month';

/** Most days that one question may span. */
export const MOST_DAYS = 366;

const DAY_MS = 86_400_000;
const PATTERN = /^(20|21)\d{2}-\d{2}-\d{2}$/;

/** A day of the calendar, 2000-01-01 – 2199-12-31. */
export const day = z.string().refine(isDay, 'must be a day such as 2026-11-21');

/** The day in which a moment lies. */
export function dayOf(at: Date | number): Day {
  return new Date(at).toISOString().slice(0, 10);
}

/** As `dayOf`, for moments that mostly lie in one day: it is written out once, not for each of them. */
export function rememberingDayOf(): (atMs: number) => Day {
  let last = '';
  let fromMs = Number.NaN;
  return (atMs) => {
    // NaN is in no day: the first question finds none.
    if (!(atMs >= fromMs && atMs < fromMs + DAY_MS)) {
      last = dayOf(atMs);
      fromMs = startOf(last).getTime();
    }
    return last;
  };
}

/** The first moment of a day. */
export function startOf(which: Day): Date {
  return new Date(`${which}T00:00:00.000Z`);
}

/** The day `days` after another one; before it when negative. */
export function addDays(which: Day, days: number): Day {
  return dayOf(startOf(which).getTime() + days * DAY_MS);
}

/** How many days there are from one to another, both counted. */
export function daysBetween(from: Day, to: Day): number {
  return Math.round((startOf(to).getTime() - startOf(from).getTime()) / DAY_MS) + 1;
}

/** The first day of the group that a day belongs to: weeks begin on Monday. */
export function groupOf(which: Day, group: Group): Day {
  if (group === 'month') return `${which.slice(0, 8)}01`;
  if (group === 'day') return which;
  return addDays(which, -((startOf(which).getUTCDay() + 6) % 7));
}

/** The groups that the days from one to another belong to, in order. */
export function groupsBetween(from: Day, to: Day, group: Group): Day[] {
  const days = Array.from({ length: daysBetween(from, to) }, (_, index) => addDays(from, index));
  return [...new Set(days.map((each) => groupOf(each, group)))];
}

function isDay(text: string): boolean {
  if (!PATTERN.test(text)) return false;
  const at = startOf(text).getTime();
  return !Number.isNaN(at) && dayOf(at) === text;
}
