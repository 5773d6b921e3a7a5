/** The tables, as kysely sees them. `migrations/` creates them; every row names its tenant. */

import type { ColumnType, Generated, Transaction as KyselyTransaction } from 'kysely';
import type {
  AnalyticsBatchesTable,
  AnalyticsDaysTable,
  AnalyticsJobsTable,
  AnalyticsUsageTable,
} from './analytics-tables.ts';
import type {
  CharactersTable,
  ConversationLinesTable,
  ConversationMessagesTable,
  ConversationsTable,
  TokenUsageTable,
} from './conversation-tables.ts';
import type { MailDaysTable, MailDeliveriesTable, MailSendersTable, MailSuppressionsTable } from './mail-tables.ts';

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
