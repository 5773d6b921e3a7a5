/** The tables of mail, as kysely sees them. */

import type { ColumnType, Generated } from 'kysely';

type Timestamp = ColumnType<Date, Date | string, Date | string>;

/** A mail to one recipient: one row for each recipient of a job. The Message-ID is fixed before the first try. */
export interface MailDeliveriesTable {
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
export interface MailDaysTable {
  tenant: string;
  /** YYYY-MM-DD. */
  day: string;
  mails: number;
}

/** An address that a tenant does not write to. */
export interface MailSuppressionsTable {
  tenant: string;
  /** SHA-256 of the address in lower case. */
  address_hash: string;
  address: string;
  reason: 'bounced' | 'unsubscribed';
  since: Generated<Date>;
}

/** An address that a tenant may send from. */
export interface MailSendersTable {
  tenant: string;
  address: string;
  name: string;
  verified_at: Generated<Date>;
}
