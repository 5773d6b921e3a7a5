import { describe, expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { isRedisAway, isRedisUnable } from '../../../src/redis/breaker.ts';

const named = (name: string, message: string) => Object.assign(new Error(message), { name });
const system = (code: string) =>
  Object.assign(new Error(`connect ${code} 127.0.0.1:6379`), { code, syscall: 'connect' });

describe('Redis is away', () => {
  test.each([
    new Error('Command timed out'),
    new Error('Connection is closed.'),
    new Error("Stream isn't writeable and enableOfflineQueue options is false"),
    named('MaxRetriesPerRequestError', 'Reached the max retries per request limit (which is 0).'),
    system('ECONNREFUSED'),
    system('ECONNRESET'),
    named('ReplyError', 'LOADING Redis is loading the dataset in memory'),
    named('ReplyError', "READONLY You can't write against a read only replica."),
    named('ReplyError', "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."),
    named('ReplyError', 'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)'),
    named('ReplyError', 'CLUSTERDOWN The cluster is down'),
    named('ReplyError', 'CLUSTERDOWN Hash slot not served'),
    named('ReplyError', 'TRYAGAIN Multiple keys request during rehashing of slot'),
    named('ReplyError', 'MOVED 1234 127.0.0.1:7001'),
    named('ClusterAllFailedError', 'Failed to refresh slots cache.'),
    new Error('None of startup nodes is available'),
    new Error("Cluster isn't ready and enableOfflineQueue options is false"),
    named('AbortError', 'Cluster is ended.'),
    new Error('Too many Cluster redirections. Last error: Error: Connection is closed.'),
    new Error('All sentinels are unreachable. Retrying from scratch after 50ms. Last error: connect ECONNREFUSED'),
  ])('when a command fails with: %s', (error) => {
    expect(isRedisAway(error)).toBe(true);
  });

  test.each([
    named('ReplyError', 'WRONGTYPE Operation against a key holding the wrong kind of value'),
    named('ReplyError', 'ERR user_script:1: Script attempted to access nonexistent global variable'),
    named('ReplyError', "OOM command not allowed when used memory > 'maxmemory'."),
    named('ReplyError', "CROSSSLOT Keys in request don't hash to the same slot"),
    new AppError('job-active', 'It runs.'),
    new TypeError('x is not a function'),
    'text',
    undefined,
  ])('but not when it fails with: %s', (error) => {
    expect(isRedisAway(error)).toBe(false);
  });
});

test.each([
  ["OOM command not allowed when used memory > 'maxmemory'.", true],
  ['MISCONF Redis is configured to save RDB snapshots, but it is unable to persist to disk.', true],
  ['NOREPLICAS Not enough good replicas to write.', true],
  ['WRONGTYPE Operation against a key holding the wrong kind of value', false],
])('%s: Redis takes no writes: %s', (message, unable) => {
  expect(isRedisUnable(named('ReplyError', message))).toBe(unable);
});
