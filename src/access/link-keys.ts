/**
 * The server's key behind links in mails: what signs them, and what they are derived from.
 *
 * Promises: two purposes never share a signature; the key is `MAIL_SECRET`, or on one machine the one that is kept
 * there. In production a missing `MAIL_SECRET` is `not-configured`: processes on other machines would sign with other
 * keys.
 */

import { createHmac, hash } from 'node:crypto';
import { AppError } from '../errors.ts';
import type { KeptKey } from './kept-key.ts';

export interface LinkKeysOptions {
  readonly secret: string | undefined;
  /** The key when there is no secret. */
  readonly kept: KeptKey;
  readonly production: boolean;
}

export class LinkKeys {
  readonly #options: LinkKeysOptions;

  constructor(options: LinkKeysOptions) {
    this.#options = options;
  }

  /** 32 bytes that only this service can make. Throws `not-configured`, or `store-unavailable` when no key can be kept. */
  async sign(purpose: 'password-reset' | 'unsubscribe', text: string): Promise<Buffer> {
    return createHmac('sha256', await this.#key())
      .update(`${purpose}\n${text}`)
      .digest();
  }

  async #key(): Promise<string> {
    const { secret, kept, production } = this.#options;
    if (secret !== undefined) return hash('sha256', secret);
    if (production) throw new AppError('not-configured', 'Links in mails need MAIL_SECRET: openssl rand -base64 32.');
    return kept.read();
  }
}
