/**
 * What the figures of some days say, as series.
 *
 * Promises: a tenant sees its own figures only; today is counted live, at most 15 s old; a report holds at most
 * `MOST_SERIES` series and says how many it left off. While PostgreSQL is away every call rejects with
 * `store-unavailable`.
 */

import { sql } from 'kysely';
import { asStoreError, type Database } from '../database/connection.ts';
import type { Analytics } from './analytics.ts';
import { addDays, type Day, type Group, groupOf, groupsBetween } from './day.ts';
import { type AmountRow, accuracy, type OutcomeRow, type Series, type Sums, seriesOf, share } from './series.ts';
import type { Count } from './source.ts';

export interface Question {
  /** Undefined: all tenants together, with what belongs to the whole service. */
  readonly tenant: string | undefined;
  readonly from: Day;
  /** Counted too. */
  readonly to: Day;
  readonly group: Group;
  /** Names of series, or how they begin; empty: every series. */
  readonly series: readonly string[];
}

export interface Report {
  readonly from: Day;
  readonly to: Day;
  readonly group: Group;
  /** The first day of each group: what each value of a series is about. */
  readonly days: readonly Day[];
  /** The group that is not over yet; null when none is. */
  readonly partial: Day | null;
  readonly series: readonly Series[];
  /** Series that were left off because there were too many; a `series` filter brings them. */
  readonly leftOff: number;
}

/** What monitoring shows of the business; null: not known. */
export interface BusinessFigures {
  /** How much less writers changed than at first, over seven days. */
  readonly adaptationAccuracy: number | null;
  /** Mean rating of seven days minus that of the seven days before. */
  readonly feedbackTrend: number | null;
}

export const MOST_SERIES = 500;
const LIVE_MS = 15_000;
const WEEK = 7;

export interface ReportsOptions {
  readonly database: Database;
  readonly analytics: Pick<Analytics, 'today' | 'countDay'>;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

export class Reports {
  readonly #database: Database;
  readonly #analytics: ReportsOptions['analytics'];
  readonly #clock: () => number;
  #live: { readonly day: Day; readonly atMs: number; readonly counts: Promise<readonly Count[]> } | undefined;

  constructor({ database, analytics, clock = Date.now }: ReportsOptions) {
    this.#database = database;
    this.#analytics = analytics;
    this.#clock = clock;
  }

  async report(question: Question): Promise<Report> {
    const { from, to, group, series: wanted } = question;
    const today = this.#analytics.today;
    const days = groupsBetween(from, to, group);
    const sums = await this.#sums(question, today);
    const matching = seriesOf(days, sums).filter(({ name }) => isWanted(name, wanted));
    return {
      from,
      to,
      group,
      days,
      partial: from <= today && today <= to ? groupOf(today, group) : null,
      series: matching.slice(0, MOST_SERIES),
      leftOff: Math.max(0, matching.length - MOST_SERIES),
    };
  }

  /** Of all tenants, from the days rolled up so far. */
  async businessFigures(): Promise<BusinessFigures> {
    const today = this.#analytics.today;
    const halves = await Promise.all([
      this.#lately(addDays(today, 1 - WEEK), today),
      this.#lately(addDays(today, 1 - 2 * WEEK), addDays(today, -WEEK)),
    ]);
    const [now, before] = halves.map((amounts) =>
      share(amounts['feedback.ratings'] ?? 0, amounts['feedback.given'] ?? 0),
    );
    const lately = halves[0];
    return {
      adaptationAccuracy: accuracy(lately?.['adaptation.effort'], lately?.['adaptation.baseline']),
      feedbackTrend: now === null || now === undefined || before === null || before === undefined ? null : now - before,
    };
  }

  async #lately(from: Day, to: Day): Promise<Readonly<Record<string, number>>> {
    const { rows } = await this.#ask(
      sql<{ series: string; amount: number }>`
        SELECT series, sum(amount) AS amount FROM analytics_days
        WHERE day BETWEEN ${from}::date AND ${to}::date AND (series LIKE 'feedback.%' OR series LIKE 'adaptation.%')
        GROUP BY series`,
    );
    return Object.fromEntries(rows.map(({ series, amount }) => [series, amount]));
  }

  async #sums({ tenant, from, to, group }: Question, today: Day): Promise<Sums> {
    const period = sql<Day>`date_trunc(${group}, day::timestamp)::date::text`;
    const mine = tenant === undefined ? sql`true` : sql`tenant = ${tenant}`;
    const asked = sql`day BETWEEN ${from}::date AND ${to}::date AND ${mine}`;
    const [outcomes, durations, used, rolledUp, live] = await Promise.all([
      this.#ask(sql<OutcomeRow>`
        SELECT ${period} AS "group", job, outcome, sum(count)::double precision AS count
        FROM analytics_jobs WHERE ${asked} GROUP BY 1, 2, 3`),
      this.#ask(sql<{ group: Day; job: string; wait: string[]; run: string[] }>`
        SELECT ${period} AS "group", job, analytics_sum(wait) AS wait,
          coalesce(analytics_sum(run) FILTER (WHERE outcome IN ('completed', 'retry', 'dead')), '{}') AS run
        FROM analytics_jobs WHERE ${asked} GROUP BY 1, 2`),
      this.#ask(sql<AmountRow>`
        SELECT ${period} AS "group", kind, sum(amount) AS amount FROM analytics_usage WHERE ${asked} GROUP BY 1, 2`),
      this.#ask(sql<AmountRow>`
        SELECT ${period} AS "group", series AS kind, sum(amount) AS amount
        FROM analytics_days WHERE ${asked} AND day <> ${today}::date GROUP BY 1, 2`),
      from <= today && today <= to ? this.#today(tenant, today) : [],
    ]);
    return {
      outcomes: outcomes.rows,
      durations: durations.rows.map((row) => ({ ...row, wait: row.wait.map(Number), run: row.run.map(Number) })),
      amounts: [...used.rows, ...rolledUp.rows, ...live.map((row) => ({ ...row, group: groupOf(today, group) }))],
    };
  }

  /** Today's amounts by kind: as counted live or as rolled up, whichever is later and so more. */
  async #today(tenant: string | undefined, today: Day): Promise<readonly Omit<AmountRow, 'group'>[]> {
    const mine = tenant === undefined ? sql`true` : sql`tenant = ${tenant}`;
    const [live, stored] = await Promise.all([
      this.#countToday(today),
      this.#ask(sql<Count>`
        SELECT tenant, series AS kind, amount FROM analytics_days WHERE day = ${today}::date AND ${mine}`),
    ]);
    const counts = new Map<string, Count>();
    for (const count of [...live, ...stored.rows]) {
      if (tenant !== undefined && count.tenant !== tenant) continue;
      const key = `${count.tenant} ${count.kind}`;
      if (count.amount >= (counts.get(key)?.amount ?? 0)) counts.set(key, count);
    }
    return [...counts.values()];
  }

  /** What the sources say of today; asked once in 15 s, for everybody who wants to know. */
  #countToday(day: Day): Promise<readonly Count[]> {
    const known = this.#live;
    if (known !== undefined && known.day === day && this.#clock() - known.atMs < LIVE_MS) return known.counts;
    const counts = this.#analytics.countDay(day);
    const asking = { day, atMs: this.#clock(), counts };
    this.#live = asking;
    // An answer that failed is nobody's second time.
    counts.catch(() => {
      if (this.#live === asking) this.#live = undefined;
    });
    return counts;
  }

  async #ask<Row>(query: ReturnType<typeof sql<Row>>) {
    try {
      return await query.execute(this.#database);
    } catch (error) {
      throw asStoreError(error);
    }
  }
}

/** Is a series asked for: by its name, or by how it begins, up to a dot or a colon? */
function isWanted(name: string, wanted: readonly string[]): boolean {
  return (
    wanted.length === 0 ||
    wanted.some((each) => name === each || name.startsWith(`${each}.`) || name.startsWith(`${each}:`))
  );
}
