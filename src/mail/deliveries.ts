/**
 * The ledger of mail: one row for each recipient of a job, with how it stands.
 *
 *   waiting → sending → sent | failed | unknown        suppressed
 *
 * Promises: the rows of a job, its Message-ID and its place in the tenant's daily cap come into being once, in one
 * transaction; `sending` is committed before the mail is handed over, so that whoever finds it later knows that the mail
 * may have gone. An attempt that was frozen and thawed changes nothing that a later try has written, opens nothing that
 * has ended, and what was sent stays sent. While PostgreSQL is away every call is `store-unavailable`.
 */

import { type Selectable, sql } from 'kysely';
import type { Database } from '../database/connection.ts';
import type { Tables, Transaction } from '../database/schema.ts';
import { ask } from './ask.ts';

/** A row. */
export type Delivery = Selectable<Tables['mail_deliveries']>;
export type DeliveryState = Delivery['state'];

/** What is fixed before the first try. */
export interface NewMail {
  readonly tenant: string;
  readonly jobId: string;
  readonly messageId: string;
  readonly template: string;
  readonly sender: string;
  readonly subject: string;
  readonly recipients: readonly { readonly address: string; readonly suppressed: boolean }[];
}

/** How a delivery has ended. */
export interface Ended {
  readonly state: 'sent' | 'failed' | 'unknown' | 'suppressed';
  readonly code?: string;
  readonly answer: string;
}

/** Characters of a server's answer that are kept. */
const MOST_ANSWER = 500;
/** Rows that one statement removes. */
const BATCH = 500;

export class Deliveries {
  readonly #database: Database;
  readonly #clock: () => number;

  constructor({ database, clock = Date.now }: { database: Database; clock?: () => number }) {
    this.#database = database;
    this.#clock = clock;
  }

  /** The rows of a job in the order of its recipients; none before `open`. */
  ofJob(jobId: string): Promise<Delivery[]> {
    return ask(this.#rows(this.#database, jobId));
  }

  /** Make the rows of a job, unless they are there. Undefined when `cap` mails a day leave no room for them. */
  open(mail: NewMail, cap: number): Promise<Delivery[] | undefined> {
    const { recipients, jobId, messageId, ...same } = mail;
    const at = new Date(this.#clock());
    const rows = recipients.map(({ address, suppressed }) => ({
      ...same,
      job_id: jobId,
      message_id: messageId,
      recipient: address,
      state: suppressed ? ('suppressed' as const) : ('waiting' as const),
      created_at: at,
      ended_at: suppressed ? at : null,
    }));
    return ask(
      this.#database.transaction().execute(async (tx) => {
        // Two attempts of one job at once: the second waits here, and finds what the first has made.
        await sql`SELECT pg_advisory_xact_lock(hashtextextended(${jobId}, 0))`.execute(tx);
        const before = await this.#rows(tx, jobId);
        if (before.length > 0) return before;
        const mails = recipients.filter(({ suppressed }) => !suppressed).length;
        if (!(await this.#count(tx, mail.tenant, at, mails, cap))) return undefined;
        await tx.insertInto('mail_deliveries').values(rows).execute();
        return this.#rows(tx, jobId);
      }),
    );
  }

  /** The mail is about to be handed over. The number of this try; undefined when another one has sent it meanwhile. */
  async sending(id: string): Promise<number | undefined> {
    const row = await ask(
      this.#database
        .updateTable('mail_deliveries')
        .set({ state: 'sending', tries: sql`tries + 1`, code: null, ended_at: null })
        .where('id', '=', id)
        .where('state', '<>', 'sent')
        .returning('tries')
        .executeTakeFirst(),
    );
    return row?.tries;
  }

  /** The mail was certainly not sent by this try; or, as `sending`, may have been. */
  async note(
    { id, tries }: Pick<Delivery, 'id' | 'tries'>,
    state: 'waiting' | 'sending',
    answer: string,
  ): Promise<void> {
    await ask(
      this.#database
        .updateTable('mail_deliveries')
        .set({ state, answer: answer.slice(0, MOST_ANSWER) })
        .where('id', '=', id)
        .where('tries', '=', tries)
        .where('state', '=', 'sending')
        .execute(),
    );
  }

  /** How it ended. That it was sent is true whichever try was told so. */
  async ended({ id, tries }: Pick<Delivery, 'id' | 'tries'>, { state, code, answer }: Ended): Promise<void> {
    const ended_at = new Date(this.#clock());
    let update = this.#database
      .updateTable('mail_deliveries')
      .set({ state, code: code ?? null, answer: answer.slice(0, MOST_ANSWER), ended_at })
      .where('id', '=', id)
      .where('state', '<>', 'sent');
    if (state !== 'sent') update = update.where('tries', '=', tries);
    await ask(update.execute());
  }

  /** Rows that have not ended and were made before `until`, in the order of their ids after `id`; at most 500. */
  openAfter(id: string, until: Date): Promise<Delivery[]> {
    return ask(
      this.#database
        .selectFrom('mail_deliveries')
        .selectAll()
        .where(sql<boolean>`state IN ('waiting', 'sending')`)
        .where('id', '>', id)
        .where('created_at', '<', until)
        .orderBy('id')
        .limit(BATCH)
        .execute(),
    );
  }

  /** End a row from outside of its job; false when it is not as it was read any more. */
  async settle({ id, state: before, tries }: Delivery, { state, code, answer }: Ended): Promise<boolean> {
    const { numUpdatedRows } = await ask(
      this.#database
        .updateTable('mail_deliveries')
        .set({ state, code: code ?? null, answer: answer.slice(0, MOST_ANSWER), ended_at: new Date(this.#clock()) })
        .where('id', '=', id)
        .where('state', '=', before)
        .where('tries', '=', tries)
        .executeTakeFirst(),
    );
    return numUpdatedRows === 1n;
  }

  /** Newest first, of all tenants. */
  list({ state, before, limit }: { state?: DeliveryState; before?: string; limit: number }): Promise<Delivery[]> {
    let query = this.#database.selectFrom('mail_deliveries').selectAll().orderBy('id', 'desc').limit(limit);
    if (state !== undefined) query = query.where('state', '=', state);
    if (before !== undefined) query = query.where('id', '<', before);
    return ask(query.execute());
  }

  /** One row, of any tenant. */
  one(id: string): Promise<Delivery | undefined> {
    return ask(this.#database.selectFrom('mail_deliveries').selectAll().where('id', '=', id).executeTakeFirst());
  }

  /** Mails that were sent, and that failed or are unknown, from `from` until before `to`. */
  async countsBetween(from: Date, to: Date): Promise<{ tenant: string; kind: string; amount: number }[]> {
    const rows = await ask(
      this.#database
        .selectFrom('mail_deliveries')
        .select(['tenant', sql<boolean>`state = 'sent'`.as('sent'), sql<string>`count(*)`.as('amount')])
        .where('ended_at', '>=', from)
        .where('ended_at', '<', to)
        .where('state', 'in', ['sent', 'failed', 'unknown'])
        .groupBy(['tenant', 'sent'])
        .execute(),
    );
    return rows.map(({ tenant, sent, amount }) => ({
      tenant,
      kind: sent ? 'mail.sent' : 'mail.failed',
      amount: Number(amount),
    }));
  }

  /** Forget at most 500 rows from before `until`. Returns how many; a dry run only counts them, all of them. */
  async removeBefore(until: Date, dryRun: boolean): Promise<number> {
    if (dryRun) {
      const count = this.#database
        .selectFrom('mail_deliveries')
        .select(sql<string>`count(*)`.as('rows'))
        .where('created_at', '<', until);
      return Number((await ask(count.executeTakeFirstOrThrow())).rows);
    }
    const old = this.#database
      .selectFrom('mail_deliveries')
      .select('id')
      .where('created_at', '<', until)
      .orderBy('created_at')
      .limit(BATCH);
    const { numDeletedRows } = await ask(
      this.#database.deleteFrom('mail_deliveries').where('id', 'in', old).executeTakeFirst(),
    );
    await ask(this.#database.deleteFrom('mail_days').where('day', '<', dayOf(until)).execute());
    return Number(numDeletedRows);
  }

  #rows(database: Database | Transaction, jobId: string): Promise<Delivery[]> {
    return database.selectFrom('mail_deliveries').selectAll().where('job_id', '=', jobId).orderBy('id').execute();
  }

  /** Count these mails as the tenant's of this day; false, and nothing counted, when they are too many. */
  async #count(tx: Transaction, tenant: string, at: Date, mails: number, cap: number): Promise<boolean> {
    if (mails === 0) return true;
    if (mails > cap) return false;
    const counted = await tx
      .insertInto('mail_days')
      .values({ tenant, day: dayOf(at), mails })
      .onConflict((conflict) =>
        conflict
          .columns(['tenant', 'day'])
          .doUpdateSet({ mails: sql`mail_days.mails + excluded.mails` })
          .where(sql<boolean>`mail_days.mails + excluded.mails <= ${cap}`),
      )
      .returning('mails')
      .executeTakeFirst();
    return counted !== undefined;
  }
}

/** The day in UTC. */
function dayOf(at: Date): string {
  return at.toISOString().slice(0, 10);
}
