/**
 * A line: the messages to one character of a conversation, answered one at a time, oldest first. Steps that others take
 * inside their transactions.
 *
 * Whoever adds to a conversation locks its row first and the line's row after it, so that no two wait for each other.
 * The line's state is believed until it expires; then the sweep looks what is the matter.
 *
 *   idle         nothing waits
 *   processing   a reply is being made
 *   queued       something waits for its turn, a worker or another attempt
 */

import { type ExpressionBuilder, sql } from 'kysely';
import { release } from '../database/outbox-calls.ts';
import type { Tables, Transaction } from '../database/schema.ts';

export interface Line {
  readonly tenant: string;
  readonly conversationId: string;
  readonly characterId: string;
}

export type LineState = 'idle' | 'processing' | 'queued';

/** The job that makes a reply. */
export const REPLY_JOB = 'ai.generate-reply';

/** Milliseconds for which a state is believed: well above what an attempt and the wait for the next one take. */
export const BELIEVED_MS = 300_000;

/** Rows of this line. */
export function ofLine({ tenant, conversationId, characterId }: Line) {
  return ({ and, eb }: ExpressionBuilder<Tables, 'conversation_messages' | 'conversation_lines'>) =>
    and([eb('tenant', '=', tenant), eb('conversation_id', '=', conversationId), eb('character_id', '=', characterId)]);
}

/** A time from now. */
export function inMs(ms: number) {
  return sql<Date>`now() + ${ms} * interval '1 millisecond'`;
}

/** The message whose turn it is, after those whose jobs were cancelled have left the line. */
export async function headOf(tx: Transaction, line: Line): Promise<{ id: string; jobId: string } | undefined> {
  await tx
    .updateTable('conversation_messages')
    .set({ status: 'cancelled', error_code: 'job-cancelled' })
    .where(ofLine(line))
    .where('status', '=', 'waiting')
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom('ledger')
          .select('ledger.job_id')
          .whereRef('ledger.job_id', '=', 'conversation_messages.job_id')
          .where('ledger.outcome', '=', 'cancelled'),
      ),
    )
    .execute();
  const head = await tx
    .selectFrom('conversation_messages')
    .select(['id', 'job_id'])
    .where(ofLine(line))
    .where('status', '=', 'waiting')
    .orderBy('sequence')
    .limit(1)
    .executeTakeFirst();
  return head && { id: head.id, jobId: head.job_id ?? '' };
}

/**
 * Let the next message have its turn: its job, which was held back, is handed over when the transaction commits. The
 * state is believed for `believedMs`. The caller has locked the line.
 */
export async function advance(tx: Transaction, line: Line, believedMs = BELIEVED_MS) {
  const head = await headOf(tx, line);
  if (head !== undefined) await release(tx, head.jobId);
  await tx
    .updateTable('conversation_lines')
    .set({
      state: head === undefined ? 'idle' : 'queued',
      state_since: sql<Date>`now()`,
      expires_at: head === undefined ? sql<Date>`'infinity'` : inMs(believedMs),
    })
    .where(ofLine(line))
    .execute();
  return head;
}
