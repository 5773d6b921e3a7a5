/** /v1/analytics: what happened, by day, week or month. */

import { z } from 'zod';
import { addDays, day, dayOf, daysBetween, MOST_DAYS } from '../../analytics/day.ts';
import type { Reports } from '../../analytics/reports.ts';
import { AppError } from '../../errors.ts';
import { defineRoute, type Route } from '../route.ts';

/** Days that are shown when none are asked for: up to today. */
const USUAL_DAYS = 30;
const MOST_FILTERS = 20;
const FILTERS = /^[a-z0-9.:-]{1,200}(,[a-z0-9.:-]{1,200})*$/;

const query = z.strictObject({
  from: day.optional(),
  to: day.optional(),
  group: z.enum(['day', 'week', 'month']).default('day'),
  series: z
    .string()
    .regex(FILTERS, 'must be names of series, separated by commas')
    .transform((text) => text.split(','))
    .refine((names) => names.length <= MOST_FILTERS, `must be at most ${MOST_FILTERS} names`)
    .default([]),
  tenants: z.enum(['own', 'all']).default('own'),
});

export interface AnalyticsRoutesOptions {
  readonly reports: Pick<Reports, 'report'>;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

export function analyticsRoutes({ reports, clock = Date.now }: AnalyticsRoutesOptions): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path: '/v1/analytics',
      access: 'caller',
      about: 'Jobs, durations, usage and learning by day, week or month; today is counted live.',
      query,
      handle: async ({ tenant, operator, query: { tenants, series, group, ...asked } }) => {
        if (tenants === 'all' && !operator) {
          throw new AppError('forbidden', 'The figures of all tenants are for operators only.');
        }
        const span = spanOf(asked.from, asked.to, clock());
        const whose = tenants === 'all' ? undefined : tenant;
        return { body: await reports.report({ tenant: whose, ...span, group, series }) };
      },
    }),
  ];
}

/** The days that are asked for. Throws `invalid-input` when they run backwards or are too many. */
function spanOf(from: string | undefined, to: string | undefined, nowMs: number): { from: string; to: string } {
  const last = to ?? dayOf(nowMs);
  const first = from ?? addDays(last, 1 - USUAL_DAYS);
  const days = daysBetween(first, last);
  if (days < 1) throw refused('must not be after `to`');
  if (days > MOST_DAYS) throw refused(`must be at most ${MOST_DAYS} days before \`to\`, both counted`);
  return { from: first, to: last };
}

function refused(message: string): AppError {
  return new AppError('invalid-input', 'The query parameters are wrong.', { problems: [{ pointer: 'from', message }] });
}
