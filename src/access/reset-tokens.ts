/**
 * Password reset tokens: whoever holds one may set a new password for one address, once, for 30 min.
 *
 * Promises: the token itself is only in the mail. It is derived from the job that sends it and the server's key, so that
 * every try of that job mails the same link; Redis keeps its SHA-256 and the address. It works once, whoever asks at the
 * same time, and a used one stays used when the mail is sent again. While Redis is away: `store-unavailable`.
 */

import { hash } from 'node:crypto';
import { AppError } from '../errors.ts';
import type { Breaker } from '../redis/breaker.ts';
import type { ScriptedRedis } from '../redis/connections.ts';
import { queueKeys } from '../redis/keys.ts';
import type { LinkKeys } from './link-keys.ts';

/** Minutes from the request until the token is worth nothing. */
export const RESET_MINUTES = 30;

const TOKEN = /^[A-Za-z0-9_-]{43}$/;
/** What stands in the place of the address once the token was used; no address looks like it. */
const USED = 'used';

export interface ResetTokensOptions {
  readonly redis: ScriptedRedis;
  readonly breaker: Breaker;
  readonly keyPrefix: string;
  readonly keys: LinkKeys;
  /** Page that takes a token as `?token=`. */
  readonly page: string | undefined;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

/** The job that mails a token. */
export interface ResetRequest {
  readonly tenant: string;
  readonly jobId: string;
  readonly email: string;
  readonly requestedAt: Date;
}

/** A token as it is mailed. */
export interface ResetLink {
  readonly token: string;
  /** Null without a page that takes it. */
  readonly link: string | null;
  readonly minutes: number;
}

export class ResetTokens {
  readonly #redis: ScriptedRedis;
  readonly #breaker: Breaker;
  readonly #keyPrefix: string;
  readonly #keys: LinkKeys;
  readonly #page: string | undefined;
  readonly #clock: () => number;

  constructor({ redis, breaker, keyPrefix, keys, page, clock = Date.now }: ResetTokensOptions) {
    this.#redis = redis;
    this.#breaker = breaker;
    this.#keyPrefix = keyPrefix;
    this.#keys = keys;
    this.#page = page;
    this.#clock = clock;
  }

  /** What the mail of a job brings: the same for every try. Throws `reset-token-gone` when its time is over. */
  async issue({ tenant, jobId, email, requestedAt }: ResetRequest): Promise<ResetLink> {
    const endsAtMs = requestedAt.getTime() + RESET_MINUTES * 60_000;
    if (this.#clock() >= endsAtMs) throw gone('The mail would bring a token whose time is over.');
    const token = (await this.#keys.sign('password-reset', `${tenant} ${jobId}`)).toString('base64url');
    await this.#breaker.run(() => this.#redis.set(this.#key(tenant, token), email, 'PXAT', endsAtMs, 'NX'));
    return { token, link: this.#link(token), minutes: RESET_MINUTES };
  }

  /** Use a token up. The address that it belongs to. Throws `reset-token-gone`. */
  async consume(tenant: string, token: string): Promise<string> {
    if (!TOKEN.test(token)) throw gone();
    // In one command: of two who ask at the same time one is told the address, and the other that it was used.
    const key = this.#key(tenant, token);
    const email = await this.#breaker.run(() => this.#redis.set(key, USED, 'KEEPTTL', 'XX', 'GET'));
    if (typeof email !== 'string' || email === USED) throw gone();
    return email;
  }

  #link(token: string): string | null {
    if (this.#page === undefined) return null;
    const url = new URL(this.#page);
    url.searchParams.set('token', token);
    return url.href;
  }

  #key(tenant: string, token: string): string {
    return this.#keyPrefix + queueKeys.passwordReset(tenant, hash('sha256', token));
  }
}

function gone(detail = 'It was used, its time is over, or it never was.'): AppError {
  return new AppError('reset-token-gone', detail);
}
