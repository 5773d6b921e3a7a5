import { type Kysely, sql } from 'kysely';

/** What was mailed to whom, how many on which day, to whom not, and from whom. */
export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    CREATE TABLE mail_deliveries (
      id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      tenant     text NOT NULL,
      job_id     text NOT NULL,
      message_id text NOT NULL,
      template   text NOT NULL,
      sender     text NOT NULL,
      recipient  text NOT NULL,
      subject    text NOT NULL,
      state      text NOT NULL CHECK (state IN ('waiting', 'sending', 'sent', 'failed', 'unknown', 'suppressed')),
      code       text,
      answer     text,
      tries      integer NOT NULL DEFAULT 0,
      created_at timestamptz NOT NULL,
      ended_at   timestamptz,
      UNIQUE (job_id, recipient)
    )`.execute(db);
  await sql`CREATE INDEX mail_deliveries_ended ON mail_deliveries (ended_at)`.execute(db);
  await sql`CREATE INDEX mail_deliveries_created ON mail_deliveries (created_at)`.execute(db);
  await sql`
    CREATE TABLE mail_days (
      tenant text NOT NULL,
      day    text NOT NULL,
      mails  integer NOT NULL,
      PRIMARY KEY (tenant, day)
    )`.execute(db);
  await sql`
    CREATE TABLE mail_suppressions (
      tenant       text NOT NULL,
      address_hash text NOT NULL,
      address      text NOT NULL,
      reason       text NOT NULL CHECK (reason IN ('bounced', 'unsubscribed')),
      since        timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant, address_hash)
    )`.execute(db);
  await sql`
    CREATE TABLE mail_senders (
      tenant      text NOT NULL,
      address     text NOT NULL,
      name        text NOT NULL,
      verified_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant, address)
    )`.execute(db);
}
