/**
 * Who is asking: the API key of a request, as a function over its headers.
 *
 * Promises: with `AUTH=off` everybody is the operator of the default tenant; otherwise a request without a valid key is
 * `unauthenticated`, with the header that says how to do better. While PostgreSQL is away a key that was seen lately
 * goes on working, and any other is `store-unavailable`.
 */

import type { IncomingHttpHeaders } from 'node:http';
import type { ApiKeyHolder } from '../../access/api-keys.ts';
import { AppError } from '../../errors.ts';
import { DEFAULT_TENANT } from '../../resources.ts';

/** Who is asking. */
export interface Caller {
  readonly tenant: string;
  /** May see and do what concerns all tenants. */
  readonly operator: boolean;
}

/** Says who is asking. Rejects with `unauthenticated` or `store-unavailable`. */
export type Authenticate = (headers: IncomingHttpHeaders) => Promise<Caller>;

export interface AuthenticateOptions {
  readonly auth: 'on' | 'off';
  readonly apiKeys: { verify(key: string): Promise<ApiKeyHolder | null> };
}

const EVERYBODY: Caller = Object.freeze({ tenant: DEFAULT_TENANT, operator: true });
const BEARER = /^Bearer +([^\s]{1,256}) *$/i;

/** Make the function that tells who is asking. */
export function createAuthenticate({ auth, apiKeys }: AuthenticateOptions): Authenticate {
  if (auth === 'off') return async () => EVERYBODY;
  return async ({ authorization }) => {
    if (authorization === undefined) throw refused('The request carries no API key.', 'Bearer');
    const key = BEARER.exec(authorization)?.[1];
    if (key === undefined)
      throw refused('The Authorization header is not `Bearer <key>`.', 'Bearer error="invalid_request"');
    const holder = await apiKeys.verify(key);
    if (holder === null) throw refused('The API key is unknown or revoked.', 'Bearer error="invalid_token"');
    return { tenant: holder.tenant, operator: holder.operator };
  };
}

function refused(detail: string, challenge: string): AppError {
  return new AppError('unauthenticated', detail, { headers: { 'WWW-Authenticate': challenge } });
}
