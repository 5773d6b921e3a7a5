/**
 * Links by which a recipient says that they want no more mail of a tenant, without a login.
 *
 * Promises: only a link that we made works, only for the address it was mailed to; looking at it changes nothing.
 */

import { timingSafeEqual } from 'node:crypto';
import type { LinkKeys } from '../access/link-keys.ts';
import { AppError } from '../errors.ts';

/** Whom a link speaks of. */
export interface Recipient {
  readonly tenant: string;
  readonly address: string;
}

const TOKEN = /^([A-Za-z0-9_-]{1,500})\.([A-Za-z0-9_-]{43})$/;

export class UnsubscribeLinks {
  readonly #keys: LinkKeys;
  readonly #base: string;

  /** `base`: where mail readers reach this service. */
  constructor({ keys, base }: { keys: LinkKeys; base: string }) {
    this.#keys = keys;
    this.#base = base.replace(/\/+$/, '');
  }

  /** The link for one recipient. */
  async make({ tenant, address }: Recipient): Promise<string> {
    const who = Buffer.from(`${tenant} ${address}`).toString('base64url');
    const signature = await this.#keys.sign('unsubscribe', who);
    return `${this.#base}/v1/mail/unsubscribe?token=${who}.${signature.toString('base64url')}`;
  }

  /** Whom a token speaks of. Throws `not-found` when we did not make it. */
  async read(token: string): Promise<Recipient> {
    const [, who = '', signature = ''] = TOKEN.exec(token) ?? [];
    const right = await this.#keys.sign('unsubscribe', who);
    const given = Buffer.from(signature, 'base64url');
    const [tenant, address] = Buffer.from(who, 'base64url').toString().split(' ');
    const isOurs = given.length === right.length && timingSafeEqual(given, right);
    if (!isOurs || !tenant || !address) throw new AppError('not-found', 'This link is not one of ours.');
    return { tenant, address };
  }
}
