/**
 * Addresses that a tenant does not write to: they do not exist, or whoever reads them does not want to hear.
 *
 * Promises: asked before each mail; a bounce weighs more than a wish, and holds back every mail. While PostgreSQL is
 * away every call is `store-unavailable`, and nothing is sent.
 */

import { hash } from 'node:crypto';
import { sql } from 'kysely';
import type { Database } from '../database/connection.ts';
import { normalAddress } from '../mail-address.ts';
import { ask } from './ask.ts';

export type SuppressionReason = 'bounced' | 'unsubscribed';

export interface Suppression {
  readonly address: string;
  readonly reason: SuppressionReason;
  readonly since: Date;
}

export class Suppressions {
  readonly #database: Database;

  constructor({ database }: { database: Database }) {
    this.#database = database;
  }

  /** Write to this address no more. */
  async add(tenant: string, address: string, reason: SuppressionReason): Promise<void> {
    const row = { tenant, address_hash: hashOf(address), address, reason };
    await ask(
      this.#database
        .insertInto('mail_suppressions')
        .values(row)
        .onConflict((conflict) =>
          conflict.columns(['tenant', 'address_hash']).doUpdateSet({
            reason: sql`CASE WHEN excluded.reason = 'bounced' THEN 'bounced' ELSE mail_suppressions.reason END`,
          }),
        )
        .execute(),
    );
  }

  /** Why not to write to this address; undefined when there is no reason. */
  async reason(tenant: string, address: string): Promise<SuppressionReason | undefined> {
    const row = await ask(
      this.#database
        .selectFrom('mail_suppressions')
        .select('reason')
        .where('tenant', '=', tenant)
        .where('address_hash', '=', hashOf(address))
        .executeTakeFirst(),
    );
    return row?.reason;
  }

  /** The newest 1000 of a tenant. */
  list(tenant: string): Promise<Suppression[]> {
    return ask(
      this.#database
        .selectFrom('mail_suppressions')
        .select(['address', 'reason', 'since'])
        .where('tenant', '=', tenant)
        .orderBy('since', 'desc')
        .limit(1000)
        .execute(),
    );
  }

  /** Write to this address again. False when nothing held it back. */
  async remove(tenant: string, address: string): Promise<boolean> {
    const { numDeletedRows } = await ask(
      this.#database
        .deleteFrom('mail_suppressions')
        .where('tenant', '=', tenant)
        .where('address_hash', '=', hashOf(address))
        .executeTakeFirst(),
    );
    return numDeletedRows > 0n;
  }
}

function hashOf(address: string): string {
  return hash('sha256', normalAddress(address));
}
