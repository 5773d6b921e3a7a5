/**
 * Links that open one file for a while, without a key: for browsers, mails and whoever a caller hands one to.
 *
 * Promises: a link says its tenant, file and expiry, signed together, so that none of them can be changed; it works on
 * every process that has the same key. The key is `MEDIA_LINK_KEY`, else one that all processes of the folder
 * share. A new key ends all links.
 */

import { createHmac, timingSafeEqual } from 'node:crypto';
import type { KeptKey } from '../access/kept-key.ts';
import { AppError } from '../errors.ts';

/** What a link opens, as it stands in the link. */
export interface LinkParts {
  readonly tenant: string;
  readonly id: string;
  /** Seconds since 1970. */
  readonly expires: number;
  readonly signature: string;
}

export interface MediaLinksOptions {
  readonly key: string | undefined;
  /** The key when none is given. */
  readonly kept: KeptKey;
  /** How long a link is good. */
  readonly minutes: number;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

export class MediaLinks {
  readonly #given: string | undefined;
  readonly #kept: KeptKey;
  readonly #minutes: number;
  readonly #clock: () => number;

  constructor({ key, kept, minutes, clock = Date.now }: MediaLinksOptions) {
    this.#given = key;
    this.#kept = kept;
    this.#minutes = minutes;
    this.#clock = clock;
  }

  /** A path that opens the file, and until when. Throws `store-unavailable` when the key cannot be kept. */
  async make(tenant: string, id: string): Promise<{ link: string; expiresAt: Date }> {
    const expires = Math.floor(this.#clock() / 1000) + this.#minutes * 60;
    const signature = sign(await this.#secret(), tenant, id, expires);
    const query = `expires=${expires}&signature=${signature}`;
    return { link: `/media/${tenant}/${id}?${query}`, expiresAt: new Date(expires * 1000) };
  }

  /** Seconds for which the link is still good. Throws `link-refused` when it has expired or was not made by us. */
  async check({ tenant, id, expires, signature }: LinkParts): Promise<number> {
    const wanted = Buffer.from(sign(await this.#secret(), tenant, id, expires));
    const given = Buffer.from(signature);
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
      throw new AppError('link-refused', 'The signature of this link is wrong.');
    }
    const left = expires - Math.floor(this.#clock() / 1000);
    if (left <= 0) throw new AppError('link-refused', 'This link has expired.');
    return left;
  }

  async #secret(): Promise<string> {
    return this.#given ?? this.#kept.read();
  }
}

/** Lengths go in too, so that two different links never sign the same text. */
function sign(key: string, tenant: string, id: string, expires: number): string {
  return createHmac('sha256', key)
    .update(`millrace-media ${tenant.length}:${tenant} ${id} ${expires}`)
    .digest('base64url');
}
