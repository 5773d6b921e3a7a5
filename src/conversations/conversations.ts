/**
 * Conversations: what users say, kept in order, each with a job for its reply.
 *
 * Promises: a message and its job are kept in one transaction, so that neither is there without the other, also while
 * Redis is away. The messages to one character are answered one at a time, oldest first: the job of the first is handed
 * over at once, each other one when the reply before it is stored. A line whose state has expired is found by a sweep
 * and goes on. Another tenant's conversation does not exist. While PostgreSQL is away every call is `store-unavailable`.
 */

import { sql } from 'kysely';
import { asStoreError, type Database } from '../database/connection.ts';
import { enqueueIn, holdBack } from '../database/outbox-calls.ts';
import type { Transaction } from '../database/schema.ts';
import { AppError } from '../errors.ts';
import type { Expirable, Removal, RemovalRun } from '../removal.ts';
import { type ConversationView, type Page, readConversation } from './conversation-view.ts';
import { advance, type Line, ofLine, REPLY_JOB } from './line.ts';
import { messageIdFor, newMessageId } from './message-id.ts';
import { releaseStuck } from './stuck-lines.ts';

/** Messages that may wait in one line. */
const MOST_WAITING = 100;

/** What a user says. */
export interface Said {
  readonly userId: string;
  readonly characterId: string;
  readonly text: string;
  /** Makes a repeat of the request the same message. */
  readonly idempotencyKey?: string | undefined;
}

/** A message that was kept. */
export interface Kept {
  readonly id: string;
  readonly conversationId: string;
  readonly sequence: number;
  /** 1: it is its turn. 0: it waits no more. */
  readonly position: number;
  /** Id of the job that makes its reply. */
  readonly job: string;
}

/** Something that can be counted, of one tenant. */
export interface Count {
  readonly tenant: string;
  readonly kind: string;
  readonly amount: number;
}

export class Conversations implements Expirable {
  readonly #database: Database;

  constructor({ database }: { readonly database: Database }) {
    this.#database = database;
  }

  /**
   * Keep what a user says, and ask for its reply. The first message of an id begins the conversation. Throws
   * `invalid-input`, `idempotency-key-reused` or `conversation-full`.
   */
  async say(tenant: string, conversationId: string, said: Said): Promise<Kept> {
    const line = { tenant, conversationId, characterId: said.characterId };
    return this.#ask(() => this.#database.transaction().execute((tx) => keep(tx, line, said)));
  }

  /** A conversation: its messages, newest page first, and how its lines are. Throws `not-found`. */
  async read(tenant: string, conversationId: string, page: Page): Promise<ConversationView> {
    return this.#ask(() => readConversation(this.#database, tenant, conversationId, page));
  }

  /** Release lines whose state has expired, and those whose first message was cancelled. */
  async removeExpired(run: RemovalRun): Promise<Removal> {
    return this.#ask(() => releaseStuck(this.#database, run));
  }

  /** Replies and their tokens, by tenant, from a moment until before another. */
  async countsBetween(from: Date, to: Date): Promise<readonly Count[]> {
    const { rows } = await this.#ask(() =>
      sql<Count>`
        SELECT tenant, kind, amount::float8 AS amount
        FROM (
          SELECT tenant, count(*) AS replies, sum(prompt_tokens) AS prompt, sum(completion_tokens) AS completion
          FROM conversation_messages
          WHERE role = 'assistant' AND created_at >= ${from} AND created_at < ${to}
          GROUP BY tenant
        ) AS sums
        CROSS JOIN LATERAL (VALUES ('ai.replies', replies), ('ai.prompt-tokens', prompt),
          ('ai.completion-tokens', completion)) AS counts (kind, amount)
        ORDER BY tenant, kind`.execute(this.#database),
    );
    return rows;
  }

  async #ask<T>(query: () => Promise<T>): Promise<T> {
    try {
      return await query();
    } catch (error) {
      throw asStoreError(error);
    }
  }
}

async function keep(tx: Transaction, line: Line, { userId, text, idempotencyKey }: Said): Promise<Kept> {
  const { tenant, conversationId, characterId } = line;
  await lockConversation(tx, line, userId);
  const id = idempotencyKey === undefined ? newMessageId() : messageIdFor(conversationId, idempotencyKey);
  const known = idempotencyKey === undefined ? undefined : await repeated(tx, line, id, text);
  if (known !== undefined) return known;
  // After the conversation's row, as everybody does.
  await tx
    .insertInto('conversation_lines')
    .values({ tenant, conversation_id: conversationId, character_id: characterId })
    .onConflict((conflict) =>
      conflict.columns(['tenant', 'conversation_id', 'character_id']).doUpdateSet({ character_id: characterId }),
    )
    .execute();
  const before = await waitingIn(tx, line);
  if (before >= MOST_WAITING) {
    throw new AppError('conversation-full', `${before} messages wait for a reply already.`, { retryAfterSeconds: 5 });
  }
  const { last_sequence: sequence } = await tx
    .updateTable('conversations')
    .set({ last_sequence: sql<number>`last_sequence + 1` })
    .where('tenant', '=', tenant)
    .where('id', '=', conversationId)
    .returning('last_sequence')
    .executeTakeFirstOrThrow();
  const job = await enqueueIn(tx, tenant, REPLY_JOB, { conversationId, characterId, messageId: id });
  await tx
    .insertInto('conversation_messages')
    .values({
      tenant,
      conversation_id: conversationId,
      sequence,
      id,
      character_id: characterId,
      role: 'user',
      text,
      status: 'waiting',
      error_code: null,
      job_id: job,
      in_reply_to: null,
      prompt_tokens: null,
      completion_tokens: null,
    })
    .execute();
  if (before > 0) await holdBack(tx, job);
  else await advance(tx, line);
  return { id, conversationId, sequence, position: before + 1, job };
}

/** Begin or find the conversation, and lock its row. */
async function lockConversation(tx: Transaction, { tenant, conversationId }: Line, userId: string): Promise<void> {
  const { user_id } = await tx
    .insertInto('conversations')
    .values({ tenant, id: conversationId, user_id: userId })
    .onConflict((conflict) => conflict.columns(['tenant', 'id']).doUpdateSet({ id: conversationId }))
    .returning('user_id')
    .executeTakeFirstOrThrow();
  if (user_id === userId) return;
  throw new AppError('invalid-input', 'The conversation is another user’s.', {
    problems: [{ pointer: '/userId', message: 'is not the user of this conversation' }],
  });
}

/** What a repeat of a request is answered. */
async function repeated(tx: Transaction, line: Line, id: string, text: string): Promise<Kept | undefined> {
  const { tenant, conversationId, characterId } = line;
  const stands = await tx
    .selectFrom('conversation_messages')
    .select(['character_id', 'text', 'sequence', 'status', 'job_id'])
    .where('tenant', '=', tenant)
    .where('id', '=', id)
    .executeTakeFirst();
  if (stands === undefined) return undefined;
  if (stands.text !== text || stands.character_id !== characterId) {
    throw new AppError('idempotency-key-reused', 'The key was used for another message.');
  }
  const { sequence, job_id: job } = stands;
  const position = stands.status === 'waiting' ? await waitingIn(tx, line, sequence) : 0;
  return { id, conversationId, sequence, position, job: job ?? '' };
}

/** Messages that wait in a line, up to this one. */
async function waitingIn(tx: Transaction, line: Line, sequence?: number): Promise<number> {
  const { waiting } = await tx
    .selectFrom('conversation_messages')
    .select((select) => select.fn.countAll<string>().as('waiting'))
    .where(ofLine(line))
    .where('status', '=', 'waiting')
    .$if(sequence !== undefined, (query) => query.where('sequence', '<=', sequence ?? 0))
    .executeTakeFirstOrThrow();
  return Number(waiting);
}
