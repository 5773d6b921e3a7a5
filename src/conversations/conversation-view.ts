/** A conversation as the outside sees it: what was said, in order, and whose turn it is. */

import { sql } from 'kysely';
import type { Database } from '../database/connection.ts';
import { AppError } from '../errors.ts';
import type { LineState } from './line.ts';

/** Which messages are wanted. */
export interface Page {
  /** At most so many, the newest. */
  readonly limit: number;
  /** Only those before this sequence number. */
  readonly before?: number | undefined;
}

/** A message. Of a reply: `inReplyTo`, and no status, position or job. */
export interface MessageView {
  readonly id: string;
  readonly sequence: number;
  readonly role: 'user' | 'assistant';
  readonly characterId: string;
  readonly text: string;
  readonly status: 'waiting' | 'answered' | 'failed' | 'cancelled' | null;
  /** Place in its line while it waits, from 1; else null. */
  readonly position: number | null;
  readonly error: string | null;
  readonly job: string | null;
  readonly inReplyTo: string | null;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
}

/** The messages to one character. */
export interface LineView {
  readonly characterId: string;
  readonly state: LineState;
  /** ISO 8601, UTC. */
  readonly since: string;
  readonly waiting: number;
}

/** The answer of `GET /api/conversations/{id}`. */
export interface ConversationView {
  readonly id: string;
  readonly userId: string;
  /** `processing` while a reply is being made to any character, else `queued` while something waits, else `idle`. */
  readonly state: LineState;
  readonly lines: readonly LineView[];
  readonly messages: readonly MessageView[];
}

type MessageRow = Omit<MessageView, 'createdAt'> & { readonly createdAt: Date };
type LineRow = Omit<LineView, 'since'> & { readonly since: Date };

/** Read a conversation, as it was at one moment. Throws `not-found`. */
export async function readConversation(
  database: Database,
  tenant: string,
  id: string,
  page: Page,
): Promise<ConversationView> {
  return database
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (tx) => {
      const found = await tx
        .selectFrom('conversations')
        .select('user_id')
        .where('tenant', '=', tenant)
        .where('id', '=', id)
        .executeTakeFirst();
      if (found === undefined) throw new AppError('not-found', 'There is no such conversation.');
      const lines = await sql<LineRow>`
        SELECT character_id AS "characterId", state, state_since AS since,
          (SELECT count(*)::integer FROM conversation_messages AS m
            WHERE m.tenant = l.tenant AND m.conversation_id = l.conversation_id
              AND m.character_id = l.character_id AND m.status = 'waiting') AS waiting
        FROM conversation_lines AS l
        WHERE tenant = ${tenant} AND conversation_id = ${id}
        ORDER BY character_id`.execute(tx);
      const messages = await sql<MessageRow>`
        SELECT id, sequence, role, character_id AS "characterId", text, status,
          CASE WHEN status = 'waiting' THEN (
            SELECT count(*)::integer FROM conversation_messages AS ahead
            WHERE ahead.tenant = m.tenant AND ahead.conversation_id = m.conversation_id
              AND ahead.character_id = m.character_id AND ahead.status = 'waiting' AND ahead.sequence <= m.sequence
          ) END AS position,
          error_code AS error, job_id AS job, in_reply_to AS "inReplyTo", created_at AS "createdAt"
        FROM conversation_messages AS m
        WHERE tenant = ${tenant} AND conversation_id = ${id}
          AND sequence < ${page.before ?? 2_147_483_647}
        ORDER BY sequence DESC LIMIT ${page.limit}`.execute(tx);
      return {
        id,
        userId: found.user_id,
        state: stateOf(lines.rows),
        lines: lines.rows.map((line) => ({ ...line, since: line.since.toISOString() })),
        messages: messages.rows.reverse().map((row) => ({ ...row, createdAt: row.createdAt.toISOString() })),
      };
    });
}

function stateOf(lines: readonly { readonly state: LineState }[]): LineState {
  const states = new Set(lines.map(({ state }) => state));
  return states.has('processing') ? 'processing' : states.has('queued') ? 'queued' : 'idle';
}
