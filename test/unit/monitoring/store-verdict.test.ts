import { describe, expect, it } from 'vitest';
import { parseInfo, type RedisFacts } from '../../../src/monitoring/redis-facts.ts';
import { judge as judgeAll, type StoreVerdict, type Told } from '../../../src/monitoring/store-verdict.ts';

const GOOD: RedisFacts = {
  place: undefined,
  version: '7.0.15',
  runId: 'queue',
  replicationId: 'history',
  replicas: 0,
  role: 'master',
  mode: 'standalone',
  evictionPolicy: 'noeviction',
  appendOnly: true,
  usedMemory: 10,
  maxMemory: 0,
  clients: 1,
  commands: 1,
};
const CACHE: RedisFacts = { ...GOOD, runId: 'cache', evictionPolicy: 'allkeys-lru', appendOnly: false, maxMemory: 100 };
const UNKNOWN = parseInfo('');

/** The verdict on single servers. */
function judge(queue: RedisFacts | 'forbidden' | 'away', cache: RedisFacts | 'forbidden' | 'away'): StoreVerdict {
  const told = (facts: RedisFacts | 'forbidden' | 'away'): Told => (typeof facts === 'string' ? facts : [facts]);
  return judgeAll(told(queue), told(cache));
}

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
    [
      'a node of a Cluster',
      { mode: 'cluster', version: '5.0.0' },
      /node of a Cluster/,
      /redis\+cluster:.*QUEUE_PREFIX/,
    ],
    ['a Sentinel', { mode: 'sentinel', appendOnly: false }, /is a Sentinel/, /redis\+sentinel:.*master-name/],
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

  it('names the node of a Cluster that is wrongly set up, and leaves the others alone', () => {
    const node = (place: string) => ({ ...GOOD, place, runId: place, replicas: 1, mode: 'cluster' });
    const wrong = { ...node('10.0.0.2:7001'), evictionPolicy: 'allkeys-lru', appendOnly: false };
    const { refusals, warnings } = judgeAll([node('10.0.0.1:7000'), wrong, node('10.0.0.3:7002')], [CACHE]);
    expect(refusals.map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/^The queue Redis at 10\.0\.0\.2:7001 has maxmemory-policy allkeys-lru/),
      expect.stringMatching(/^The queue Redis at 10\.0\.0\.2:7001 keeps no append-only file/),
    ]);
    expect(warnings).toEqual([]);
  });

  it('warns of a master with no replica where one should take over, and of no other', () => {
    const lonely = { ...GOOD, place: '10.0.0.1:7000' };
    expect(judgeAll([lonely], [CACHE]).warnings[0]?.reason).toMatch(/10\.0\.0\.1:7000 has no replica/);
    expect(judgeAll([{ ...lonely, replicas: 2 }, GOOD], [CACHE]).warnings).toEqual([]);
  });
});
