/**
 * What was learned, as facts that can be counted by day: edits, feedback, and how much less a writer edits than at first.
 *
 * Promises: one statement for all tenants, bounded by the edits and feedback of the span and the first edits of their
 * writers. The formula of adaptation is in docs/analytics.md. While PostgreSQL is away it rejects with
 * `store-unavailable`.
 */

import { sql } from 'kysely';
import type { Count, CountSource } from '../analytics/source.ts';
import { asStoreError, type Database } from '../database/connection.ts';

/** A writer's first edits: what they change before anybody has learned from them. */
const FIRST_EDITS = 5;

export class LearningFacts implements CountSource {
  readonly #database: Database;

  constructor({ database }: { database: Database }) {
    this.#database = database;
  }

  async countsBetween(from: Date, to: Date): Promise<readonly Count[]> {
    try {
      const { rows } = await sql<Count>`
        WITH edited AS (
          SELECT tenant, user_id, id, saved_at, (deltas ->> 'editShare')::double precision AS effort
          FROM edits WHERE saved_at >= ${from} AND saved_at < ${to}
        ), first AS (
          SELECT writer.tenant, writer.user_id, avg(early.effort) AS baseline, max(early.saved_at) AS until,
            array_agg(early.id) AS ids
          FROM (SELECT DISTINCT tenant, user_id FROM edited) AS writer
          CROSS JOIN LATERAL (
            SELECT id, saved_at, (deltas ->> 'editShare')::double precision AS effort
            FROM edits WHERE tenant = writer.tenant AND user_id = writer.user_id
            ORDER BY saved_at, id LIMIT ${FIRST_EDITS}
          ) AS early
          GROUP BY writer.tenant, writer.user_id HAVING count(*) = ${FIRST_EDITS}
        ), compared AS (
          SELECT edited.tenant, edited.effort, first.baseline
          FROM edited JOIN first USING (tenant, user_id)
          WHERE edited.saved_at >= first.until AND edited.id <> ALL (first.ids)
        ), rated AS (
          SELECT tenant, rating FROM feedback WHERE given_at >= ${from} AND given_at < ${to}
        )
        SELECT tenant, 'edits.learned' AS kind, count(*)::double precision AS amount FROM edited GROUP BY tenant
        UNION ALL SELECT tenant, 'adaptation.edits', count(*) FROM compared GROUP BY tenant
        UNION ALL SELECT tenant, 'adaptation.effort', sum(effort) FROM compared GROUP BY tenant
        UNION ALL SELECT tenant, 'adaptation.baseline', sum(baseline) FROM compared GROUP BY tenant
        UNION ALL SELECT tenant, 'feedback.given', count(*) FROM rated GROUP BY tenant
        UNION ALL SELECT tenant, 'feedback.ratings', sum(rating) FROM rated GROUP BY tenant`.execute(this.#database);
      return rows;
    } catch (error) {
      throw asStoreError(error);
    }
  }
}
