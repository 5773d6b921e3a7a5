/** The tables, as kysely sees them. `migrations/` creates them; every row names its tenant. */

import type { ColumnType, Generated, Transaction as KyselyTransaction } from 'kysely';

/** A JSON column: read as a value, written as JSON text. */
type Json<T> = ColumnType<T, string, string>;
type Timestamp = ColumnType<Date, Date | string, Date | string>;

/** A job's outcome that must survive Redis: an applied effect with its result, or a cancel's tombstone. */
interface LedgerTable {
  job_id: string;
  tenant: string;
  job: string;
  outcome: 'applied' | 'cancelled';
  result: Json<unknown> | null;
  recorded_at: Generated<Date>;
}

/** A request to a job that gathers (`collect`); its payload is dropped once a run has taken it. */
interface CollectedRequestsTable {
  job_id: string;
  tenant: string;
  job: string;
  key: string;
  payload: Json<unknown> | null;
  requested_at: Timestamp;
  collected_into: string | null;
  /** SHA-256 of a request that came with an Idempotency-Key. */
  body_hash: string | null;
}

/** When the last run of a key started: what the rate counts from. */
interface CollectRunsTable {
  tenant: string;
  job: string;
  key: string;
  started_at: Timestamp;
}

/** A learned edit. `id` is the id of the job that brought it. */
interface EditsTable {
  tenant: string;
  id: string;
  user_id: string;
  content_id: string;
  original_text: string;
  edited_text: string;
  saved_at: Timestamp;
  deltas: Json<unknown>;
  learned_by: string;
  learned_at: Generated<Date>;
}

/** A writer's profile. `fence` goes up with every writer that comes, `version` with every write. */
interface ProfilesTable {
  tenant: string;
  user_id: string;
  version: number;
  /** bigint: pg hands it over as text. */
  fence: ColumnType<string, string | number, string | number>;
  sums: Json<unknown> | null;
  style: Json<unknown> | null;
  preferences: Json<Record<string, unknown>>;
  evolution: Json<unknown> | null;
  updated_at: Generated<Date>;
}

/** What a writer thought of a generated text. `id` is the id of the job that brought it. */
interface FeedbackTable {
  tenant: string;
  id: string;
  user_id: string;
  content_id: string;
  rating: number;
  comment: string | null;
  given_at: Timestamp;
}

/** An API key; only its SHA-256 is kept. */
interface ApiKeysTable {
  id: string;
  tenant: string;
  label: string;
  hash: string;
  operator: boolean;
  created_at: Generated<Date>;
  revoked_at: Timestamp | null;
}

/** A job that `millrace_enqueue` was asked for and that no web process has handed over yet, or that was set aside. */
interface OutboxTable {
  /** bigint: pg hands it over as text. The order of the calls within a transaction. */
  seq: Generated<string>;
  /** The transaction that asked for it. */
  tx: Generated<string>;
  id: string;
  tenant: string;
  job: string;
  payload: Json<unknown>;
  requested_at: Timestamp;
  run_at: Timestamp | null;
  attempts: number | null;
  priority: number | null;
  timeout_ms: number | null;
  tags: Json<readonly string[]> | null;
  idempotency_key: string | null;
  /** Hand-overs that failed for no reason of the job's own. */
  tries: Generated<number>;
  /** Not looked at before this time. */
  not_before: Generated<Date>;
  /** When it was found that it can never be accepted; `error_code` says why. */
  set_aside_at: Timestamp | null;
  error_code: string | null;
  error_detail: string | null;
}

/** Who a user talks to, and what a model is told of it. */
interface CharactersTable {
  tenant: string;
  id: string;
  name: string;
  prompt: string;
  updated_at: Generated<Date>;
}

/** A conversation of one user. Its row is locked by whoever adds a message: that is the order of the messages. */
interface ConversationsTable {
  tenant: string;
  id: string;
  user_id: string;
  last_sequence: Generated<number>;
  created_at: Generated<Date>;
}

/** The messages to one character of a conversation, as a line in which one is answered at a time. */
interface ConversationLinesTable {
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
interface ConversationMessagesTable {
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
interface TokenUsageTable {
  tenant: string;
  user_id: string;
  day: string;
  replies: number;
  /** bigint: pg hands it over as text. */
  prompt_tokens: ColumnType<string, number, number>;
  completion_tokens: ColumnType<string, number, number>;
}

/** How the attempts of a day ended, by kind of job, with their durations (`src/analytics/histogram.ts`). */
interface AnalyticsJobsTable {
  tenant: string;
  day: ColumnType<string, string, never>;
  job: string;
  outcome: string;
  /** bigint: pg hands it over as text. */
  count: ColumnType<string, number, number>;
  wait: ColumnType<string[], string, string>;
  run: ColumnType<string[], string, string>;
}

/** The last batch of counts that a process has added, so that none is added twice. */
interface AnalyticsBatchesTable {
  process: string;
  number: ColumnType<string, number, number>;
  added_at: Generated<Date>;
}

/** What was recorded as used, by day, kind and user; an empty user is nobody in particular. */
interface AnalyticsUsageTable {
  tenant: string;
  day: ColumnType<string, string, never>;
  kind: string;
  user_id: string;
  amount: number;
}

/** What the roll-up of a day has counted from the tables of others. */
interface AnalyticsDaysTable {
  tenant: string;
  day: ColumnType<string, string, never>;
  series: string;
  amount: number;
  rolled_up_at: Generated<Date>;
}

/** A file. Its bytes lie in the storage under `object_key`. `id` is their SHA-256. */
interface MediaFilesTable {
  tenant: string;
  id: string;
  object_key: string;
  /** bigint: pg hands it over as text. */
  bytes: ColumnType<string, number, number>;
  type: string;
  width: number | null;
  height: number | null;
  origin: 'upload' | 'url' | 'made';
  created_at: Generated<Date>;
  last_used_at: ColumnType<Date, Date | undefined, Date>;
}

/** A mail to one recipient: one row for each recipient of a job. The Message-ID is fixed before the first try. */
interface MailDeliveriesTable {
  /** bigint: pg hands it over as text. */
  id: Generated<string>;
  tenant: string;
  job_id: string;
  message_id: string;
  template: string;
  sender: string;
  recipient: string;
  subject: string;
  state: 'waiting' | 'sending' | 'sent' | 'failed' | 'unknown' | 'suppressed';
  /** Why it failed, from `src/errors.ts`; null otherwise. */
  code: string | null;
  /** What the mail server said last. */
  answer: string | null;
  /** Times that it was handed to the mail server. */
  tries: Generated<number>;
  created_at: Timestamp;
  ended_at: Timestamp | null;
}

/** Mails of one tenant on one day (UTC). */
interface MailDaysTable {
  tenant: string;
  /** YYYY-MM-DD. */
  day: string;
  mails: number;
}

/** An address that a tenant does not write to. */
interface MailSuppressionsTable {
  tenant: string;
  /** SHA-256 of the address in lower case. */
  address_hash: string;
  address: string;
  reason: 'bounced' | 'unsubscribed';
  since: Generated<Date>;
}

/** An address that a tenant may send from. */
interface MailSendersTable {
  tenant: string;
  address: string;
  name: string;
  verified_at: Generated<Date>;
}

export interface Tables {
  ledger: LedgerTable;
  collected_requests: CollectedRequestsTable;
  collect_runs: CollectRunsTable;
  edits: EditsTable;
  profiles: ProfilesTable;
  feedback: FeedbackTable;
  api_keys: ApiKeysTable;
  outbox: OutboxTable;
  characters: CharactersTable;
  conversations: ConversationsTable;
  conversation_lines: ConversationLinesTable;
  conversation_messages: ConversationMessagesTable;
  token_usage: TokenUsageTable;
  analytics_jobs: AnalyticsJobsTable;
  analytics_batches: AnalyticsBatchesTable;
  analytics_usage: AnalyticsUsageTable;
  analytics_days: AnalyticsDaysTable;
  media_files: MediaFilesTable;
  mail_deliveries: MailDeliveriesTable;
  mail_days: MailDaysTable;
  mail_suppressions: MailSuppressionsTable;
  mail_senders: MailSendersTable;
}

/** The transaction that `apply` hands to a handler. */
export type Transaction = KyselyTransaction<Tables>;
