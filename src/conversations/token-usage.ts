/**
 * Tokens that users have spent, by day (UTC).
 *
 * Promises: counted in the transaction that stores the reply, so each reply counts once. While PostgreSQL is away every
 * call rejects with `store-unavailable`.
 */

import { sql } from 'kysely';
import { asStoreError, type Database } from '../database/connection.ts';
import type { Transaction } from '../database/schema.ts';

interface Tokens {
  readonly promptTokens: number;
  readonly completionTokens: number;
}

/** What the replies to one user have cost on one day. */
export interface DayOfTokens extends Tokens {
  /** YYYY-MM-DD, UTC. */
  readonly day: string;
  readonly replies: number;
}

/** Count one reply. */
export async function countTokens(tx: Transaction, tenant: string, userId: string, tokens: Tokens): Promise<void> {
  const { promptTokens, completionTokens } = tokens;
  await sql`
    INSERT INTO token_usage AS u (tenant, user_id, day, replies, prompt_tokens, completion_tokens)
    VALUES (${tenant}, ${userId}, (now() AT TIME ZONE 'UTC')::date, 1, ${promptTokens}, ${completionTokens})
    ON CONFLICT (tenant, user_id, day) DO UPDATE SET
      replies = u.replies + 1,
      prompt_tokens = u.prompt_tokens + excluded.prompt_tokens,
      completion_tokens = u.completion_tokens + excluded.completion_tokens`.execute(tx);
}

export class TokenUsage {
  readonly #database: Database;

  constructor({ database }: { readonly database: Database }) {
    this.#database = database;
  }

  /** Days with replies from `from` to `to`, both included, oldest first. */
  async days(tenant: string, userId: string, from: string, to: string): Promise<DayOfTokens[]> {
    try {
      const { rows } = await sql<DayOfTokens>`
        SELECT to_char(day, 'YYYY-MM-DD') AS day, replies,
          prompt_tokens::float8 AS "promptTokens", completion_tokens::float8 AS "completionTokens"
        FROM token_usage
        WHERE tenant = ${tenant} AND user_id = ${userId} AND day BETWEEN ${from}::date AND ${to}::date
        ORDER BY token_usage.day`.execute(this.#database);
      return rows;
    } catch (error) {
      throw asStoreError(error);
    }
  }
}
