/** The tables of conversations, as kysely sees them. */

import type { ColumnType, Generated } from 'kysely';

/** Who a user talks to, and what a model is told of it. */
export interface CharactersTable {
  tenant: string;
  id: string;
  name: string;
  prompt: string;
  updated_at: Generated<Date>;
}

/** A conversation of one user. Its row is locked by whoever adds a message: that is the order of the messages. */
export interface ConversationsTable {
  tenant: string;
  id: string;
  user_id: string;
  last_sequence: Generated<number>;
  created_at: Generated<Date>;
}

/** The messages to one character of a conversation, as a line in which one is answered at a time. */
export interface ConversationLinesTable {
  tenant: string;
  conversation_id: string;
  character_id: string;
  state: Generated<'idle' | 'processing' | 'queued'>;
  state_since: Generated<Date>;
  /** After this the state is not believed any more. */
  expires_at: Generated<Date>;
  /** bigint: pg hands it over as text. Goes up with every run that takes the turn. */
  fence: Generated<string>;
}

/** What a user said, or the one reply to it. */
export interface ConversationMessagesTable {
  tenant: string;
  conversation_id: string;
  sequence: number;
  id: string;
  character_id: string;
  role: 'user' | 'assistant';
  text: string;
  /** Of a user's message; null for a reply. */
  status: 'waiting' | 'answered' | 'failed' | 'cancelled' | null;
  error_code: string | null;
  job_id: string | null;
  in_reply_to: string | null;
  prompt_tokens: number | null;
  completion_tokens: number | null;
  created_at: Generated<Date>;
}

/** Tokens that the replies to one user have cost on one day (UTC). */
export interface TokenUsageTable {
  tenant: string;
  user_id: string;
  day: string;
  replies: number;
  /** bigint: pg hands it over as text. */
  prompt_tokens: ColumnType<string, number, number>;
  completion_tokens: ColumnType<string, number, number>;
}
