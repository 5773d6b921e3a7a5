/**
 * Asking for a job inside a transaction of our own, and deciding when it may start.
 *
 * Promises: the job is there if the transaction commits, and never if it rolls back. A job that is held back can be seen
 * as accepted and cancelled, and waits until it is released, however long.
 */

import { sql } from 'kysely';
import type { Transaction } from './schema.ts';

/** Ask for a job; returns its id. */
export async function enqueueIn(tx: Transaction, tenant: string, job: string, payload: object): Promise<string> {
  const { rows } = await sql<{ id: string }>`
    SELECT millrace_enqueue(${job}, ${JSON.stringify(payload)}::jsonb, jsonb_build_object('tenant', ${tenant}::text))
      AS id`.execute(tx);
  const id = rows[0]?.id;
  if (id === undefined) throw new Error('millrace_enqueue returned no id');
  return id;
}

/** Keep a job that was asked for in this transaction from being handed over until it is released. */
export async function holdBack(tx: Transaction, id: string): Promise<void> {
  await tx.updateTable('outbox').set({ not_before: sql<Date>`'infinity'` }).where('id', '=', id).execute();
}

/** Let a job that was held back be handed over once this transaction has committed. Harmless for any other job. */
export async function release(tx: Transaction, id: string): Promise<void> {
  const released = await tx
    .updateTable('outbox')
    .set({ not_before: sql<Date>`'-infinity'` })
    .where('id', '=', id)
    .where('not_before', '=', sql<Date>`'infinity'`)
    .returning('seq')
    .executeTakeFirst();
  if (released === undefined) return;
  // The channel of `millrace_enqueue`: see migration 2.
  await sql`SELECT pg_notify(left('millrace_outbox_' || current_schema(), 63), '')`.execute(tx);
}
