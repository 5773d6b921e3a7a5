/** How services refuse, and what it means: one table for every provider that speaks an OpenAI protocol. */

import type { AppError, RetryRule } from '../../src/errors.ts';

export interface ProviderRefusal {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly code: AppError['code'];
  readonly retry: RetryRule;
  readonly retryAfterSeconds?: number;
  /** What the detail says, with the variable that it points to as `{url}`, `{key}` or `{model}`. */
  readonly says: string;
}

const saying = (message: string, more = {}) => JSON.stringify({ error: { message, ...more } });
const busy = (status: number, retryAfter: string | undefined, retryAfterSeconds: number): ProviderRefusal => ({
  status,
  headers: retryAfter === undefined ? {} : { 'retry-after': retryAfter },
  body: saying('Slow down', { type: 'requests', code: 'rate_limit_exceeded' }),
  code: 'provider-busy',
  retry: 'later',
  retryAfterSeconds,
  says: `${status}: Slow down. It has too much to do.`,
});
const passing = (status: number, body: string, says: string): ProviderRefusal => ({
  status,
  headers: {},
  body,
  code: 'provider-failed',
  retry: 'backoff',
  says: `${status}${says} The trouble is its own.`,
});
const final = (status: number, body: string, says: string, headers = {}): ProviderRefusal => ({
  status,
  headers,
  body,
  code: 'provider-refused',
  retry: 'never',
  says: `${status}${says}`,
});

const NO_CREDIT = 'Our account there has no credit left: fill it up, or change {key}.';

/** `key`: the key that the provider was given, which some of them repeat. */
export const refusalsWith = (key: string): [what: string, refusal: ProviderRefusal][] => [
  ['429', busy(429, undefined, 10)],
  ['429 with nonsense', busy(429, 'soon', 10)],
  ['429 with seconds', busy(429, ' 7 ', 7)],
  ['429 with a part of a second', busy(429, '0.2', 1)],
  ['429 with a year', busy(429, '31536000', 3600)],
  ['429 with a past date', busy(429, 'Wed, 21 Oct 2015 07:28:00 GMT', 1)],
  ['503 with seconds', busy(503, '4', 4)],
  ['503', passing(503, '', '.')],
  ['500', passing(500, 'x'.repeat(1_000_000), `: ${'x'.repeat(300)}.`)],
  ['502 with a page', passing(502, '<html>bad gateway</html>', '.')],
  ['408', passing(408, 'too slow', ': too slow.')],
  ['409', passing(409, saying('in use!'), ': in use!')],
  ['425', passing(425, '', '.')],
  ['429 without credit', final(429, saying('Quota', { code: 'insufficient_quota' }), `: Quota. ${NO_CREDIT}`)],
  ['402', final(402, '', `. ${NO_CREDIT}`)],
  ['401', final(401, saying(`Wrong: ${key}.`), ': Wrong: …. Our key is not good for this: look at {key}.')],
  ['403', final(403, '', '. Our key is not good for this: look at {key}.')],
  [
    '404',
    final(404, saying('no such model'), ': no such model. What we ask for is not there: look at {url} and {model}.'),
  ],
  [
    '400',
    final(400, saying('too\nlong'), ': too long. It does not take this request: change the job, or look at {model}.'),
  ],
  ['302', final(302, '', '. Redirects are not followed: look at {url}.', { location: 'http://169.254.169.254/' })],
];
