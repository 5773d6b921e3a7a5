/** Password reset tokens in a real Redis. */

import { hash } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KeptKey } from '../../src/access/kept-key.ts';
import { LinkKeys } from '../../src/access/link-keys.ts';
import { ResetTokens } from '../../src/access/reset-tokens.ts';
import type { Services } from '../../src/services.ts';
import { FIXTURE_JOBS, startProducerSide, stopProducerSide } from '../support/producer-side.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let services: Services;
let redis: Redis;
beforeAll(async () => {
  world = await createWorld();
  services = await startProducerSide(world, FIXTURE_JOBS);
  redis = new Redis(world.config.REDIS_URL);
});
afterAll(async () => {
  redis.disconnect();
  await stopProducerSide(services);
  await world.close();
});

const NO_KEY = new KeptKey({ path: '/nowhere/key', variable: 'DATA_DIR' });

function tokens({ clock = Date.now, page }: { clock?: () => number; page?: string } = {}): ResetTokens {
  const keys = new LinkKeys({ secret: 'k'.repeat(32), kept: NO_KEY, production: true });
  const { redis: client, redisBreaker: breaker } = services;
  return new ResetTokens({ redis: client, breaker, keyPrefix: world.config.KEY_PREFIX, keys, page, clock });
}

let serial = 0;
function request(more: object = {}) {
  serial += 1;
  return { tenant: 'default', jobId: `email_${serial}`, email: 'ada@example.org', requestedAt: new Date(), ...more };
}

describe('a password reset token', () => {
  it('gives its address once, and then no more', async () => {
    const { token, minutes } = await tokens().issue(request());
    expect(minutes).toBe(30);
    expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(await tokens().consume('default', token)).toBe('ada@example.org');
    await expect(tokens().consume('default', token)).rejects.toMatchObject({ code: 'reset-token-gone', status: 410 });
  });

  it('gives its address to one of many who ask at the same time', async () => {
    const { token } = await tokens().issue(request());
    const asked = await Promise.allSettled(Array.from({ length: 50 }, () => tokens().consume('default', token)));
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('is the same for every try of its job, and another for another job', async () => {
    const asked = request();
    const { token } = await tokens().issue(asked);
    expect(await tokens().issue(asked)).toMatchObject({ token });
    expect((await tokens().issue(request())).token).not.toBe(token);
  });

  it('stays used when the job runs again', async () => {
    const asked = request();
    const { token } = await tokens().issue(asked);
    await tokens().consume('default', token);
    await tokens().issue(asked);
    await expect(tokens().consume('default', token)).rejects.toMatchObject({ code: 'reset-token-gone' });
  });

  it('is nowhere in Redis but as its SHA-256, for half an hour', async () => {
    const { token } = await tokens().issue(request());
    const key = `${world.config.KEY_PREFIX}password_reset:${hash('sha256', token)}`;
    expect(await redis.get(key)).toBe('ada@example.org');
    expect(await redis.pttl(key)).toBeGreaterThan(1_790_000);
    expect(await redis.pttl(key)).toBeLessThanOrEqual(1_800_000);
    const keys = await redis.keys('*');
    expect(keys.filter((each) => each.includes(token))).toEqual([]);
  });

  it('ends half an hour after it was asked for, however late the mail is made', async () => {
    const requestedAt = new Date(Date.now() - 29.999 * 60_000);
    const { token } = await tokens().issue(request({ requestedAt }));
    const key = `${world.config.KEY_PREFIX}password_reset:${hash('sha256', token)}`;
    expect(await redis.pttl(key)).toBeLessThanOrEqual(60);
    const late = tokens({ clock: () => Date.now() + 1_800_000 });
    await expect(late.issue(request())).rejects.toMatchObject({ code: 'reset-token-gone' });
  });

  it('keeps its end when it is used', async () => {
    const { token } = await tokens().issue(request());
    await tokens().consume('default', token);
    const ttl = await redis.pttl(`${world.config.KEY_PREFIX}password_reset:${hash('sha256', token)}`);
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(1_800_000);
  });

  it('is another tenant’s nothing', async () => {
    const { token } = await tokens().issue(request({ tenant: 'acme' }));
    await expect(tokens().consume('default', token)).rejects.toMatchObject({ code: 'reset-token-gone' });
    expect(await tokens().consume('acme', token)).toBe('ada@example.org');
  });

  it.each(['', 'used', 'x'.repeat(43), '*', 'a'.repeat(42), `${'a'.repeat(43)}\n`, '../../x'])(
    'is not %j',
    async (token) => {
      await expect(tokens().consume('default', token)).rejects.toMatchObject({ code: 'reset-token-gone' });
    },
  );

  it('comes as a link where a page takes it', async () => {
    const { token, link } = await tokens({ page: 'https://app.example/new?lang=en' }).issue(request());
    expect(link).toBe(`https://app.example/new?lang=en&token=${token}`);
    expect((await tokens().issue(request())).link).toBeNull();
  });
});
