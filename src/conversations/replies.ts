/**
 * Making replies: take the turn, ask the model, store what it said.
 *
 * Promises: a message has at most one reply, whole, stored in the transaction that counts its tokens and gives the next
 * message its turn; a run that lost its turn stores nothing (`fence-lost`). A run that failed gives the turn back: a
 * message that can never be answered leaves the line, any other keeps its place. A reply is never cached, nor told
 * outside its conversation. While PostgreSQL is away all of it is `store-unavailable`.
 */

import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { Cache } from '../cache.ts';
import { asStoreError, type Database } from '../database/connection.ts';
import type { Transaction } from '../database/schema.ts';
import { AppError, isAppError, Snooze } from '../errors.ts';
import type { Profiles } from '../profiles/profiles.ts';
import type { Model, ModelReply } from '../providers/model.ts';
import type { Characters } from './characters.ts';
import { advance, BELIEVED_MS, headOf, inMs, type Line, ofLine } from './line.ts';
import { newMessageId } from './message-id.ts';
import { EXCHANGES, type Exchange, personalityOf, promptFor, styleLines } from './prompt.ts';
import { countTokens } from './token-usage.ts';

/** What a job of a reply returns: where the reply is, not what it says. */
export interface StoredReply {
  readonly messageId: string;
  readonly replyId: string;
  readonly sequence: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** A turn that was taken: what there is to answer. */
export interface Turn {
  readonly line: Line;
  readonly messageId: string;
  readonly sequence: number;
  readonly userId: string;
  readonly text: string;
  /** Says that the turn is still ours. */
  readonly fence: string;
}

export interface Draft {
  readonly turn: Turn;
  readonly reply: ModelReply;
}

export interface DraftOptions {
  readonly signal: AbortSignal;
  readonly onToken?: (piece: string) => void;
}

export interface RepliesOptions {
  readonly database: Database;
  readonly cache: Cache;
  readonly model: Model;
  readonly profiles: Profiles;
  readonly characters: Characters;
}

/** Milliseconds until a message that came before its turn looks again. */
const NOT_YET_MS = 1000;

export class Replies {
  readonly #database: Database;
  readonly #cache: Cache;
  readonly #model: Model;
  readonly #profiles: Profiles;
  readonly #characters: Characters;

  constructor({ database, cache, model, profiles, characters }: RepliesOptions) {
    this.#database = database;
    this.#cache = cache;
    this.#model = model;
    this.#profiles = profiles;
    this.#characters = characters;
  }

  /**
   * Take the turn for a message; or its reply, when there is one already. Throws `Snooze` while others are before it,
   * `work-refused` when there is no such message. The caller holds the line's lock.
   */
  async take(line: Line, messageId: string): Promise<{ turn: Turn } | { stored: StoredReply }> {
    return this.#ask(() => this.#database.transaction().execute((tx) => takeTurn(tx, line, messageId)));
  }

  /** Ask the model. */
  async draft(turn: Turn, options: DraftOptions): Promise<Draft> {
    const { line, text, userId } = turn;
    if (!this.#model.configured) {
      throw new AppError('provider-not-configured', 'AI_BASE_URL is not set, so there is no model to write replies.');
    }
    const [personality, before] = await Promise.all([this.#personality(line, userId), this.#before(turn)]);
    return { turn, reply: await this.#model.reply(promptFor(personality, before, text), options) };
  }

  /** Store a draft and give the next message its turn. Throws `fence-lost` when the turn is no longer ours. */
  async commit(tx: Transaction, { turn, reply }: Draft): Promise<StoredReply> {
    const { line, messageId, userId } = turn;
    const { tenant, conversationId, characterId } = line;
    // The conversation's row first, then the line's: as everybody does.
    const { last_sequence: sequence } = await tx
      .updateTable('conversations')
      .set({ last_sequence: sql<number>`last_sequence + 1` })
      .where('tenant', '=', tenant)
      .where('id', '=', conversationId)
      .returning('last_sequence')
      .executeTakeFirstOrThrow();
    await this.#lock(tx, turn);
    const answered = await tx
      .updateTable('conversation_messages')
      .set({ status: 'answered', error_code: null })
      .where('tenant', '=', tenant)
      .where('id', '=', messageId)
      .where('status', '=', 'waiting')
      .returning('id')
      .executeTakeFirst();
    if (answered === undefined) throw lost();
    const { text, promptTokens, completionTokens } = reply;
    const replyId = newMessageId();
    await tx
      .insertInto('conversation_messages')
      .values({
        tenant,
        conversation_id: conversationId,
        sequence,
        id: replyId,
        character_id: characterId,
        role: 'assistant',
        text,
        status: null,
        error_code: null,
        job_id: null,
        in_reply_to: messageId,
        prompt_tokens: promptTokens,
        completion_tokens: completionTokens,
      })
      .execute();
    await countTokens(tx, tenant, userId, reply);
    await advance(tx, line);
    return { messageId, replyId, sequence, promptTokens, completionTokens };
  }

  /**
   * Give a turn back that ended with this error. For good (`lastAttempt`, or an error that is never tried again): the
   * message has failed, and the next one has its turn. Otherwise it stays the first. Does nothing when the turn is no
   * longer ours.
   */
  async giveBack(turn: Turn, error: unknown, lastAttempt: boolean): Promise<void> {
    if (isAppError(error, 'fence-lost')) return;
    const { line, messageId } = turn;
    const rule = error instanceof AppError ? error.retry : error instanceof Snooze ? 'later' : 'backoff';
    const failed = rule === 'never' || (rule === 'backoff' && lastAttempt);
    const code = error instanceof AppError ? error.code : 'internal';
    const waitMs = isAppError(error) ? (error.retryAfterSeconds ?? 0) * 2000 : 0;
    await this.#ask(() =>
      this.#database.transaction().execute(async (tx) => {
        if (!(await isOurs(tx, turn))) return;
        if (failed) {
          await tx
            .updateTable('conversation_messages')
            .set({ status: 'failed', error_code: code })
            .where('tenant', '=', line.tenant)
            .where('id', '=', messageId)
            .where('status', '=', 'waiting')
            .execute();
        }
        await advance(tx, line, BELIEVED_MS + waitMs);
      }),
    );
  }

  /** What the model is told before the conversation: composed once an hour from what shapes it. */
  async #personality({ tenant, characterId }: Line, userId: string): Promise<string> {
    const [character, style] = await Promise.all([
      this.#characters.get(tenant, characterId),
      this.#profiles.style(tenant, userId),
    ]);
    const lines = styleLines(style.value);
    const { name, prompt } = character;
    const responseHash = createHash('sha256')
      .update(JSON.stringify([name, prompt, lines]))
      .digest('hex');
    const subject = { tenant, id: `${characterId}:${responseHash}` };
    const compose = async () => personalityOf(character, lines);
    return (await this.#cache.remember('personality', subject, compose)).value;
  }

  /** What was said in this line before, oldest first. */
  async #before({ line, sequence }: Turn): Promise<Exchange[]> {
    const rows = await this.#ask(() =>
      this.#database
        .selectFrom('conversation_messages as said')
        .leftJoin('conversation_messages as reply', (on) =>
          on.onRef('reply.tenant', '=', 'said.tenant').onRef('reply.in_reply_to', '=', 'said.id'),
        )
        .select(['said.text', 'reply.text as reply'])
        .where('said.tenant', '=', line.tenant)
        .where('said.conversation_id', '=', line.conversationId)
        .where('said.character_id', '=', line.characterId)
        .where('said.role', '=', 'user')
        .where('said.sequence', '<', sequence)
        .where('said.status', '=', 'answered')
        .orderBy('said.sequence', 'desc')
        .limit(EXCHANGES)
        .execute(),
    );
    return rows.reverse();
  }

  async #lock(tx: Transaction, turn: Turn): Promise<void> {
    if (!(await isOurs(tx, turn))) throw lost();
  }

  async #ask<T>(query: () => Promise<T>): Promise<T> {
    try {
      return await query();
    } catch (error) {
      throw asStoreError(error);
    }
  }
}

async function takeTurn(
  tx: Transaction,
  line: Line,
  messageId: string,
): Promise<{ turn: Turn } | { stored: StoredReply }> {
  const fenced = await tx
    .updateTable('conversation_lines')
    .set({
      fence: sql<string>`fence + 1`,
      state: 'processing',
      state_since: sql<Date>`now()`,
      expires_at: inMs(BELIEVED_MS),
    })
    .where(ofLine(line))
    .returning('fence')
    .executeTakeFirst();
  const message = await tx
    .selectFrom('conversation_messages as said')
    .innerJoin('conversations as c', (on) =>
      on.onRef('c.tenant', '=', 'said.tenant').onRef('c.id', '=', 'said.conversation_id'),
    )
    .select(['said.sequence', 'said.text', 'said.status', 'c.user_id'])
    .where('said.tenant', '=', line.tenant)
    .where('said.conversation_id', '=', line.conversationId)
    .where('said.character_id', '=', line.characterId)
    .where('said.id', '=', messageId)
    .where('said.role', '=', 'user')
    .executeTakeFirst();
  if (fenced === undefined || message === undefined) {
    throw new AppError('work-refused', `There is no message "${messageId}" to this character in this conversation.`);
  }
  const { sequence, text, status, user_id: userId } = message;
  if (status === 'answered') {
    await advance(tx, line);
    return { stored: await storedReply(tx, line.tenant, messageId) };
  }
  if (status === 'cancelled') throw new AppError('work-refused', 'The message was cancelled before it had a reply.');
  // A dead job that somebody let run again, or one enqueued by hand: the message is in the line again.
  if (status === 'failed') {
    await tx
      .updateTable('conversation_messages')
      .set({ status: 'waiting', error_code: null })
      .where('tenant', '=', line.tenant)
      .where('id', '=', messageId)
      .execute();
  }
  const head = await headOf(tx, line);
  if (head?.id !== messageId) throw new Snooze(NOT_YET_MS, 'Messages before this one wait for their replies.');
  return { turn: { line, messageId, sequence, userId, text, fence: fenced.fence } };
}

async function storedReply(tx: Transaction, tenant: string, messageId: string): Promise<StoredReply> {
  const row = await tx
    .selectFrom('conversation_messages')
    .select(['id', 'sequence', 'prompt_tokens', 'completion_tokens'])
    .where('tenant', '=', tenant)
    .where('in_reply_to', '=', messageId)
    .executeTakeFirstOrThrow();
  const { id: replyId, sequence, prompt_tokens, completion_tokens } = row;
  return { messageId, replyId, sequence, promptTokens: prompt_tokens ?? 0, completionTokens: completion_tokens ?? 0 };
}

/** Lock the line and see whether the turn is still ours. */
async function isOurs(tx: Transaction, { line, fence }: Turn): Promise<boolean> {
  const row = await tx
    .selectFrom('conversation_lines')
    .select('fence')
    .where(ofLine(line))
    .forUpdate()
    .executeTakeFirst();
  return row?.fence === fence;
}

function lost(): AppError {
  return new AppError('fence-lost', 'Another run took this turn.', { retryAfterSeconds: 1 });
}
