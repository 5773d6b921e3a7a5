import { describe, expect, it } from 'vitest';
import { AppError } from '../../../../src/errors.ts';
import { createAuthenticate } from '../../../../src/http/middleware/authentication.ts';

const holder = { id: 'a1', tenant: 'acme', operator: false };
const authenticate = createAuthenticate({
  auth: 'on',
  apiKeys: { verify: async (key) => (key === 'mr_good' ? holder : null) },
});

describe('authentication', () => {
  it('names the tenant of a valid key, whatever the case of the scheme', async () => {
    for (const scheme of ['Bearer', 'bearer', 'BEARER ']) {
      const caller = await authenticate({ authorization: `${scheme} mr_good` });
      expect(caller).toEqual({ tenant: 'acme', operator: false });
    }
  });

  it.each([
    ['no header', undefined, 'Bearer'],
    ['another scheme', 'Basic YTpi', 'Bearer error="invalid_request"'],
    ['no key', 'Bearer', 'Bearer error="invalid_request"'],
    ['two keys', 'Bearer mr_good mr_good', 'Bearer error="invalid_request"'],
    ['an unknown key', 'Bearer mr_bad', 'Bearer error="invalid_token"'],
  ])('refuses %s with a challenge', async (_what, authorization, challenge) => {
    const refused = authenticate(authorization === undefined ? {} : { authorization });
    await expect(refused).rejects.toMatchObject({
      code: 'unauthenticated',
      headers: { 'WWW-Authenticate': challenge },
    });
  });

  it('passes on that the key cannot be checked', async () => {
    const away = new AppError('store-unavailable', 'PostgreSQL does not answer.');
    const failing = createAuthenticate({ auth: 'on', apiKeys: { verify: () => Promise.reject(away) } });
    await expect(failing({ authorization: 'Bearer mr_good' })).rejects.toBe(away);
  });

  it('asks nobody when it is off', async () => {
    const off = createAuthenticate({ auth: 'off', apiKeys: { verify: () => Promise.reject(new Error('asked')) } });
    expect(await off({})).toEqual({ tenant: 'default', operator: true });
    expect(await off({ authorization: 'Bearer nonsense' })).toEqual({ tenant: 'default', operator: true });
  });
});
