/** `millrace health`: does the queue Redis store, hash and publish? For a cron line or a container's health check. */

import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { queueKeys } from '../redis/keys.ts';
import { stepPrefix, withRedis } from './redis-session.ts';
import { equals, type RedisStep, runRedisSteps } from './redis-steps.ts';
import type { Terminal } from './terminal.ts';

const EXPIRES_SECONDS = 10;

/** Add the command. */
export function addHealth(program: Command, terminal: Terminal): void {
  program
    .command('health')
    .description('Check that the queue Redis stores, hashes and publishes. Leaves no key.')
    .addHelpText(
      'after',
      '\nExample:\n  millrace health > /dev/null || systemctl restart redis\n\nExit code 0: healthy, 1: not.',
    )
    .action(async () => {
      const config = await terminal.config();
      await withRedis(config, 'health', (redis) => runRedisSteps(redis, stepsOf(stepPrefix(config)), terminal));
    });
}

function stepsOf(prefix: string): RedisStep[] {
  const value = prefix + queueKeys.checkValue();
  const hash = prefix + queueKeys.checkHash();
  const channel = prefix + queueKeys.checkChannel();
  const text = randomUUID();
  return [
    {
      shown: `set ${value} ex ${EXPIRES_SECONDS}`,
      command: ['set', value, text, 'EX', EXPIRES_SECONDS],
      right: equals('OK'),
    },
    { shown: `get ${value}`, command: ['get', value], right: equals(text) },
    { shown: `hset ${hash}`, command: ['hset', hash, 'field', text], right: equals(1) },
    { shown: `hget ${hash}`, command: ['hget', hash, 'field'], right: equals(text) },
    { shown: `publish ${channel}`, command: ['publish', channel, text], right: (answer) => typeof answer === 'number' },
    { shown: `del ${value} ${hash}`, command: ['del', value, hash], right: equals(2) },
  ];
}
