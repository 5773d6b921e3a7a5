/**
 * Who may send as whom: the addresses that an operator has verified for a tenant, and `MAIL_FROM` for the default one.
 *
 * Promises: nobody sends from an address that is not theirs. While PostgreSQL is away: `store-unavailable`.
 */

import type { Database } from '../database/connection.ts';
import { AppError } from '../errors.ts';
import { type Mailbox, normalAddress } from '../mail-address.ts';
import { DEFAULT_TENANT } from '../resources.ts';
import { ask } from './ask.ts';

export interface Sender extends Mailbox {
  readonly verifiedAt: Date | null;
}

export class Senders {
  readonly #database: Database;
  readonly #standard: Mailbox | undefined;

  /** `standard`: sender of the default tenant. */
  constructor({ database, standard }: { database: Database; standard: Mailbox | undefined }) {
    this.#database = database;
    this.#standard = standard;
  }

  /** The sender that was asked for, or the tenant's first one. Throws `sender-not-verified`. */
  async choose(tenant: string, address: string | undefined): Promise<Mailbox> {
    const senders = await this.list(tenant);
    const wanted = address === undefined ? undefined : normalAddress(address);
    const found = wanted === undefined ? senders[0] : senders.find((each) => normalAddress(each.address) === wanted);
    if (found !== undefined) return { name: found.name, address: found.address };
    const who = address ?? 'any address';
    throw new AppError('sender-not-verified', `The tenant ${tenant} has no right to send from ${who}.`);
  }

  /** A tenant's senders; that of `MAIL_FROM` first, then the oldest. */
  async list(tenant: string): Promise<Sender[]> {
    const rows = await ask(
      this.#database
        .selectFrom('mail_senders')
        .select(['address', 'name', 'verified_at'])
        .where('tenant', '=', tenant)
        .orderBy('verified_at')
        .orderBy('address')
        .execute(),
    );
    const own = rows.map(({ address, name, verified_at }) => ({ address, name, verifiedAt: verified_at }));
    if (this.#standard === undefined || tenant !== DEFAULT_TENANT) return own;
    return [{ ...this.#standard, verifiedAt: null }, ...own];
  }

  /** Let a tenant send from this address. */
  async add(tenant: string, { name, address }: Mailbox): Promise<void> {
    await ask(
      this.#database
        .insertInto('mail_senders')
        .values({ tenant, address: normalAddress(address), name })
        .onConflict((conflict) => conflict.columns(['tenant', 'address']).doUpdateSet({ name }))
        .execute(),
    );
  }

  /** Take the right away. False when there was none. */
  async remove(tenant: string, address: string): Promise<boolean> {
    const { numDeletedRows } = await ask(
      this.#database
        .deleteFrom('mail_senders')
        .where('tenant', '=', tenant)
        .where('address', '=', normalAddress(address))
        .executeTakeFirst(),
    );
    return numDeletedRows > 0n;
  }
}
