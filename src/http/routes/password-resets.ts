/** /v1/password-resets: mail a link that sets a new password, and use its token up. Knows no accounts and no passwords. */

import { hash } from 'node:crypto';
import { z } from 'zod';
import type { Producer } from '../../accepting/producer.ts';
import type { ResetTokens } from '../../access/reset-tokens.ts';
import { mailAddress } from '../../mail/template-data.ts';
import { normalAddress } from '../../mail-address.ts';
import { defineRoute, type Route } from '../route.ts';

/** Requests for one address within this time are one mail. */
const ONE_MAIL_MS = 60_000;

export interface PasswordResetRoutesOptions {
  readonly producer: Producer;
  readonly resetTokens: ResetTokens;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

export function passwordResetRoutes({ producer, resetTokens, clock = Date.now }: PasswordResetRoutesOptions): Route[] {
  return [
    defineRoute({
      method: 'POST',
      path: '/v1/password-resets',
      access: 'caller',
      about: 'Mail a password reset link; the answer is the same for every address.',
      body: z.strictObject({ email: mailAddress, from: mailAddress.optional() }),
      handle: async ({ tenant, body, requestId }) => {
        const minute = Math.floor(clock() / ONE_MAIL_MS);
        const email = normalAddress(body.email);
        await producer.enqueue({
          tenant,
          job: 'email.send-password-reset',
          payload: { ...body, email },
          idempotencyKey: hash('sha256', `${minute} ${body.from ?? ''} ${email}`),
          requestId,
        });
        return { status: 202, body: { status: 'accepted' } };
      },
    }),
    defineRoute({
      method: 'POST',
      path: '/v1/password-resets/consume',
      access: 'caller',
      about: 'Use a password reset token up: the address that it belongs to, once.',
      body: z.strictObject({ token: z.string().max(200) }),
      handle: async ({ tenant, body }) => ({ body: { email: await resetTokens.consume(tenant, body.token) } }),
    }),
  ];
}
