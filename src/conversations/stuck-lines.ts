/**
 * Lines that stand still: their state has expired, or the job of their first message was cancelled.
 *
 * Promises: a message whose job is gone, however that came, is asked for again under a new job; a second job for one
 * message does no harm, for it finds the reply. Each line is released in a transaction of its own; at most 500 a call.
 */

import { sql } from 'kysely';
import type { Database } from '../database/connection.ts';
import { enqueueIn } from '../database/outbox-calls.ts';
import { type Removal, type RemovalRun, RemovalTally } from '../removal.ts';
import { advance, type Line, ofLine, REPLY_JOB } from './line.ts';

const MOST_LINES = 500;

/** Release every line that stands still: `removed` are lines, and nothing of them takes room. */
export async function releaseStuck(database: Database, run: RemovalRun): Promise<Removal> {
  const tally = new RemovalTally(run);
  for (const line of await stuckLines(database)) {
    if (run.dryRun || (await releaseLine(database, line))) await tally.add({ removed: 1, bytes: 0 });
    run.signal.throwIfAborted();
  }
  return tally.total;
}

async function stuckLines(database: Database): Promise<Line[]> {
  const { rows } = await sql<Line>`
    SELECT tenant, conversation_id AS "conversationId", character_id AS "characterId"
    FROM conversation_lines AS l
    WHERE state <> 'idle' AND (expires_at < now() OR EXISTS (
      SELECT FROM conversation_messages AS m JOIN ledger ON ledger.job_id = m.job_id AND ledger.outcome = 'cancelled'
      WHERE m.tenant = l.tenant AND m.conversation_id = l.conversation_id AND m.character_id = l.character_id
        AND m.status = 'waiting'))
    ORDER BY expires_at LIMIT ${MOST_LINES}`.execute(database);
  return rows;
}

/** False when somebody else has moved the line meanwhile. */
async function releaseLine(database: Database, line: Line): Promise<boolean> {
  return database.transaction().execute(async (tx) => {
    const found = await tx
      .selectFrom('conversation_lines')
      .select(['state', sql<boolean>`expires_at < now()`.as('expired')])
      .where(ofLine(line))
      .forUpdate()
      .executeTakeFirst();
    if (found === undefined || found.state === 'idle') return false;
    if (found.state === 'processing' && !found.expired) return false;
    const head = await advance(tx, line);
    if (found.expired && head !== undefined) {
      const { tenant, conversationId, characterId } = line;
      await enqueueIn(tx, tenant, REPLY_JOB, { conversationId, characterId, messageId: head.id });
    }
    return true;
  });
}
