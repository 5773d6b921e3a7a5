/** The tables of analytics, as kysely sees them. */

import type { ColumnType, Generated } from 'kysely';

/** How the attempts of a day ended, by kind of job, with their durations (`src/analytics/histogram.ts`). */
export interface AnalyticsJobsTable {
  tenant: string;
  day: ColumnType<string, string, never>;
  job: string;
  outcome: string;
  /** bigint: pg hands it over as text. */
  count: ColumnType<string, number, number>;
  wait: ColumnType<string[], string, string>;
  run: ColumnType<string[], string, string>;
}

/** The last batch of counts that a process has added, so that none is added twice. */
export interface AnalyticsBatchesTable {
  process: string;
  number: ColumnType<string, number, number>;
  added_at: Generated<Date>;
}

/** What was recorded as used, by day, kind and user; an empty user is nobody in particular. */
export interface AnalyticsUsageTable {
  tenant: string;
  day: ColumnType<string, string, never>;
  kind: string;
  user_id: string;
  amount: number;
}

/** What the roll-up of a day has counted from the tables of others. */
export interface AnalyticsDaysTable {
  tenant: string;
  day: ColumnType<string, string, never>;
  series: string;
  amount: number;
  rolled_up_at: Generated<Date>;
}
