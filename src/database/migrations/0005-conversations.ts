import { type Kysely, sql } from 'kysely';

/** Characters, conversations, whose turn it is in each, their messages, and the tokens that users have spent. */
export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    CREATE TABLE characters (
      tenant     text NOT NULL,
      id         text NOT NULL,
      name       text NOT NULL,
      prompt     text NOT NULL,
      updated_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant, id)
    )`.execute(db);
  await sql`
    CREATE TABLE conversations (
      tenant        text NOT NULL,
      id            text NOT NULL,
      user_id       text NOT NULL,
      last_sequence integer NOT NULL DEFAULT 0,
      created_at    timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant, id)
    )`.execute(db);
  await sql`
    CREATE TABLE conversation_lines (
      tenant          text NOT NULL,
      conversation_id text NOT NULL,
      character_id    text NOT NULL,
      state           text NOT NULL DEFAULT 'idle' CHECK (state IN ('idle', 'processing', 'queued')),
      state_since     timestamptz NOT NULL DEFAULT now(),
      expires_at      timestamptz NOT NULL DEFAULT 'infinity',
      fence           bigint NOT NULL DEFAULT 0,
      PRIMARY KEY (tenant, conversation_id, character_id)
    )`.execute(db);
  await sql`CREATE INDEX conversation_lines_busy ON conversation_lines (expires_at) WHERE state <> 'idle'`.execute(db);
  // A reply belongs to one message, and a message has one reply: the second unique key holds that whatever else fails.
  await sql`
    CREATE TABLE conversation_messages (
      tenant            text NOT NULL,
      conversation_id   text NOT NULL,
      sequence          integer NOT NULL,
      id                text NOT NULL,
      character_id      text NOT NULL,
      role              text NOT NULL CHECK (role IN ('user', 'assistant')),
      text              text NOT NULL,
      status            text CHECK (status IN ('waiting', 'answered', 'failed', 'cancelled')),
      error_code        text,
      job_id            text,
      in_reply_to       text,
      prompt_tokens     integer,
      completion_tokens integer,
      created_at        timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant, conversation_id, sequence),
      UNIQUE (tenant, id),
      UNIQUE (tenant, in_reply_to),
      CHECK ((role = 'user') = (status IS NOT NULL)),
      CHECK ((role = 'assistant') = (in_reply_to IS NOT NULL))
    )`.execute(db);
  await sql`
    CREATE INDEX conversation_messages_waiting
    ON conversation_messages (tenant, conversation_id, character_id, sequence) WHERE status = 'waiting'`.execute(db);
  await sql`
    CREATE INDEX conversation_messages_replied ON conversation_messages (created_at) WHERE role = 'assistant'`.execute(
    db,
  );
  await sql`
    CREATE TABLE token_usage (
      tenant            text NOT NULL,
      user_id           text NOT NULL,
      day               date NOT NULL,
      replies           integer NOT NULL,
      prompt_tokens     bigint NOT NULL,
      completion_tokens bigint NOT NULL,
      PRIMARY KEY (tenant, user_id, day)
    )`.execute(db);
}
