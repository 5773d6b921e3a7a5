/**
 * The login of the pages below /admin: one user name and one password, over HTTP Basic.
 *
 * Promises: nothing behind it is seen without the right ones; a wrong try is one audit line; without a password there is
 * nothing to see, and the answer says how to set one. Refusals are thrown for the application that mounts the page.
 */

import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { AppError } from '../errors.ts';
import type { Logger } from '../logger.ts';

export interface LoginOptions {
  readonly user: string;
  /** Unset: every request answers 503. */
  readonly password: string | undefined;
  /** Gets one line per wrong try, with `audit` naming the page. */
  readonly logger: Logger;
  /** What is behind it, in one word: `board`. */
  readonly page: string;
}

/** How a login went. */
export type Login = 'ok' | 'missing' | 'wrong';

/** Compare the credentials of an HTTP Basic header with the right ones, in a time that does not depend on them. */
export function checkLogin(authorization: string | undefined, user: string, password: string): Login {
  if (authorization === undefined) return 'missing';
  const encoded = /^Basic +([A-Za-z0-9+/=_-]{1,512})$/i.exec(authorization)?.[1];
  if (encoded === undefined) return 'missing';
  const given = createHash('sha256').update(Buffer.from(encoded, 'base64')).digest();
  const right = createHash('sha256').update(`${user}:${password}`).digest();
  return timingSafeEqual(given, right) ? 'ok' : 'wrong';
}

/** A middleware that lets the right login pass. Throws `not-configured` or `login-required`. */
export function requireLogin({ user, password, logger, page }: LoginOptions) {
  return (request: IncomingMessage, _response: unknown, next: () => void): void => {
    if (password === undefined) {
      throw new AppError('not-configured', `The ${page} has no password yet: set BOARD_PASSWORD and start again.`);
    }
    const went = checkLogin(request.headers.authorization, user, password);
    if (went === 'ok') {
      next();
      return;
    }
    const from = request.socket.remoteAddress;
    if (went === 'wrong') logger.warn({ audit: page, from }, `wrong login at the ${page}`);
    const detail = `The ${page} needs the user name and password of BOARD_USER and BOARD_PASSWORD.`;
    throw new AppError('login-required', detail, {
      headers: { 'WWW-Authenticate': `Basic realm="Millrace ${page}", charset="UTF-8"` },
    });
  };
}
