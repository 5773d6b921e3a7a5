import { describe, expect, it } from 'vitest';
import { parseInfo, type RedisFacts } from '../../../src/monitoring/redis-facts.ts';
import { judge } from '../../../src/monitoring/store-verdict.ts';

const GOOD: RedisFacts = {
  version: '7.0.15',
  runId: 'queue',
  role: 'master',
  evictionPolicy: 'noeviction',
  appendOnly: true,
  usedMemory: 10,
  maxMemory: 0,
  clients: 1,
  commands: 1,
};
const CACHE: RedisFacts = { ...GOOD, runId: 'cache', evictionPolicy: 'allkeys-lru', appendOnly: false, maxMemory: 100 };
const UNKNOWN = parseInfo('');

describe('facts from INFO', () => {
  it('are read by name, and undefined where the server says nothing', () => {
    const facts = parseInfo('# Server\r\nredis_version:7.2.4\r\nrole:slave\r\naof_enabled:0\r\nmaxmemory:x\r\n');
    expect(facts).toMatchObject({ version: '7.2.4', role: 'replica', appendOnly: false, maxMemory: undefined });
    expect(Object.values(UNKNOWN).every((fact) => fact === undefined)).toBe(true);
  });
});

describe('the verdict', () => {
  it('finds nothing in two well set up servers', () => {
    expect(judge(GOOD, CACHE)).toEqual({ refusals: [], warnings: [] });
  });

  it.each([
    ['a policy that evicts', { evictionPolicy: 'allkeys-lru' }, /allkeys-lru/, /noeviction/],
    ['no AOF', { appendOnly: false }, /append-only/, /appendonly yes/],
    ['a replica', { role: 'replica' as const }, /replica/, /primary/],
    ['version 6.0', { version: '6.0.16' }, /6\.0\.16/, /Upgrade/],
    ['version 5', { version: '5.9.9' }, /5\.9\.9/, /Upgrade/],
  ])('refuses %s with the reason and the cure', (_what, fault, reason, cure) => {
    const { refusals } = judge({ ...GOOD, ...fault }, CACHE);
    expect(refusals).toHaveLength(1);
    expect(refusals[0]?.reason).toMatch(reason);
    expect(refusals[0]?.cure).toMatch(cure);
  });

  it('accepts version 6.2 and 10', () => {
    for (const version of ['6.2.0', '10.0.0']) expect(judge({ ...GOOD, version }, CACHE).refusals).toEqual([]);
  });

  it('names every fault at once', () => {
    const faults = { evictionPolicy: 'volatile-ttl', appendOnly: false, version: '6.0.0' };
    expect(judge({ ...GOOD, ...faults }, CACHE).refusals).toHaveLength(3);
  });

  it('accepts what a server does not tell, with a warning', () => {
    for (const silent of [UNKNOWN, 'forbidden'] as const) {
      const { refusals, warnings } = judge(silent, CACHE);
      expect(refusals).toEqual([]);
      expect(warnings[0]?.reason).toMatch(/does not/);
    }
  });

  it('warns of a queue Redis that is nearly full', () => {
    expect(judge({ ...GOOD, usedMemory: 93, maxMemory: 100 }, CACHE).warnings[0]?.reason).toContain('at least 90 %');
    expect(judge({ ...GOOD, usedMemory: 80, maxMemory: 100 }, CACHE).warnings).toEqual([]);
  });

  it('warns of a cache on the same server, without a limit, or that never evicts', () => {
    expect(judge(GOOD, { ...CACHE, runId: 'queue' }).warnings[0]?.reason).toMatch(/one Redis server/);
    expect(judge(GOOD, { ...CACHE, maxMemory: 0 }).warnings[0]?.reason).toMatch(/no maxmemory/);
    expect(judge(GOOD, { ...CACHE, evictionPolicy: 'noeviction' }).warnings[0]?.reason).toMatch(/noeviction/);
    expect(judge(GOOD, 'away').warnings).toEqual([]);
  });
});
