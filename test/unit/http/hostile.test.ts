import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { playHostile } from '../../support/hostile-player.ts';
import { HOSTILE_REQUESTS } from '../../support/hostile-requests.ts';
import { startSmallApp } from './small-app.ts';

describe('the HTTP edge', () => {
  let edge: Awaited<ReturnType<typeof startSmallApp>>;
  /** The same with short time limits, for those who stall. */
  let hasty: Awaited<ReturnType<typeof startSmallApp>>;

  beforeAll(async () => {
    edge = await startSmallApp();
    hasty = await startSmallApp({ headersTimeoutMs: 400, requestTimeoutMs: 800 });
  });
  afterAll(async () => {
    await edge.stop();
    await hasty.stop();
  });

  it.each(HOSTILE_REQUESTS)('refuses $name', async (hostile) => {
    expect(await playHostile(hostile, (hostile.slow ? hasty : edge).target)).toEqual([]);
  });

  it('has no two cases of one name', () => {
    const names = HOSTILE_REQUESTS.map(({ name }) => name);
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
  });

  it('answers good requests after all of them, and has logged no error', async () => {
    const headers = { 'Content-Type': 'application/json' };
    const answer = await fetch(`${edge.url}/v1/items`, { method: 'POST', headers, body: '{"name":"still here"}' });
    expect(await answer.json()).toEqual({ name: 'still here', tenant: 'acme', bytes: 21 });
    expect([...edge.log, ...hasty.log].filter(({ level }) => level === 'error' || level === 'warn')).toEqual([]);
  });
});
