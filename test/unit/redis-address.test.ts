import { describe, expect, test } from 'vitest';
import { ConfigError, type Environment, loadConfig } from '../../src/config.ts';
import { parseRedisAddress, placeOf, redisUrlProblems, spreadsOverSlots } from '../../src/redis-address.ts';

describe('a Redis URL', () => {
  test('of one server is left to ioredis', () => {
    const url = 'rediss://user:secret@redis.example:6380/2';
    expect(parseRedisAddress(url)).toEqual({
      kind: 'single',
      url,
      endpoints: [{ host: 'redis.example', port: 6380 }],
    });
  });

  test('of Sentinels has hosts, master, database and both logins', () => {
    const url =
      'rediss+sentinel://app:p%40ss%2Fword@s1:26380,s2,[fd00::1]:26379/my-master/3?sentinel_username=watch&sentinel_password=w%26p';
    expect(parseRedisAddress(url)).toEqual({
      kind: 'sentinel',
      endpoints: [
        { host: 's1', port: 26_380 },
        { host: 's2', port: 26_379 },
        { host: 'fd00::1', port: 26_379 },
      ],
      tls: true,
      username: 'app',
      password: 'p@ss/word',
      master: 'my-master',
      db: 3,
      sentinels: { username: 'watch', password: 'w&p' },
    });
  });

  test('of a Cluster has hosts and one login', () => {
    expect(parseRedisAddress('redis+cluster://:secret@c1:7000,c2:7001,c3')).toEqual({
      kind: 'cluster',
      endpoints: [
        { host: 'c1', port: 7000 },
        { host: 'c2', port: 7001 },
        { host: 'c3', port: 6379 },
      ],
      tls: false,
      password: 'secret',
    });
  });

  test.each([
    ['http://host', /must be redis:\/\/host/],
    ['redis://one:6379,two:6379', /redis\+cluster/],
    ['redis-sentinel://s1/mymaster', /redis\+sentinel/],
    ['redis+sentinel://s1,s2', /name the master/],
    ['redis+sentinel://s1,s2/', /name the master/],
    ['redis+sentinel://s1/mymaster/db', /database-number/],
    ['redis+sentinel://s1/mymaster/0/1', /database-number/],
    ['redis+sentinel://s1:99999/mymaster', /first host/],
    ['redis+sentinel://s1,,s3/mymaster', /second host/],
    ['redis+sentinel://:50%@s1/mymaster', /percent-encoded/],
    ['redis+sentinel://s1/mymaster?timeout=5', /option "timeout".*sentinel_username and sentinel_password/],
    ['redis+cluster://', /first host/],
    ['redis+cluster://c1,c2/1', /one database/],
    ['redis+cluster://c1?replicas=yes', /option "replicas"/],
  ])('%s is refused with the cure', (url, problem) => {
    expect(redisUrlProblems(url)).toEqual([expect.stringMatching(problem)]);
    expect(() => parseRedisAddress(url)).toThrow(problem);
  });

  test('that is wrong in several ways has every problem told, and its password never', () => {
    const problems = redisUrlProblems('redis+sentinel://:hunter2@s1:0,s 2/?role=slave');
    expect(problems).toHaveLength(4);
    expect(problems.join()).not.toContain('hunter2');
  });

  test('is told in messages by its hosts alone', () => {
    expect(placeOf('redis://:secret@[::1]:6380/1')).toBe('[::1]:6380');
    expect(placeOf('redis://localhost')).toBe('localhost:6379');
    expect(placeOf('redis+sentinel://:secret@s1,s2:1/m?sentinel_password=other')).toBe('s1:26379, s2:1');
  });
});

test.each([
  ['bull', true],
  ['{}bull', true],
  ['{}{bull}', true],
  ['bull}', true],
  ['{bull}', false],
  ['prod-{bull}', false],
])('on a Cluster keys with the prefix %s are spread: %s', (prefix, spread) => {
  expect(spreadsOverSlots('redis+cluster://c1', prefix)).toBe(spread);
  expect(spreadsOverSlots('redis+sentinel://s1/m', prefix)).toBe(false);
});

describe('the configuration', () => {
  const stores = {
    REDIS_URL: 'redis+cluster://c1,c2',
    REDIS_CACHE_URL: 'redis+cluster://c3,c4',
    DATABASE_URL: 'postgres://localhost/x',
  };
  const linesOf = (environment: Environment): readonly string[] => {
    try {
      loadConfig({}, environment);
    } catch (error) {
      if (error instanceof ConfigError) return error.lines;
      throw error;
    }
    return [];
  };

  test('refuses a Cluster without hash tags, with the cure of each, beside all other problems', () => {
    const lines = linesOf({ ...stores, PORT: 'none', DATABASE_URL: '' });
    expect(lines).toEqual([
      expect.stringMatching(/PORT/),
      expect.stringMatching(/DATABASE_URL: is not set/),
      expect.stringMatching(/QUEUE_PREFIX: must hold a hash tag.*QUEUE_PREFIX=\{bull\}/),
      expect.stringMatching(/CACHE_KEY_PREFIX: must hold a hash tag.*CACHE_KEY_PREFIX=\{cache\}:/),
    ]);
  });

  test('accepts it with them, and tells every problem of a URL', () => {
    const tagged = { QUEUE_PREFIX: '{bull}', CACHE_KEY_PREFIX: '{cache}:' };
    expect(linesOf({ ...stores, ...tagged })).toEqual([]);
    const lines = linesOf({ ...stores, ...tagged, REDIS_URL: 'redis+sentinel://s1:0/?x=1' });
    expect(lines).toHaveLength(3);
    for (const line of lines) expect(line).toMatch(/^ {2}REDIS_URL: must/);
  });
});
