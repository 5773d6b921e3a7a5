/** `millrace ping`: can we talk to the queue Redis, and does it keep, expire and forget? */

import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { queueKeys } from '../redis/keys.ts';
import { stepPrefix, withRedis } from './redis-session.ts';
import { equals, type RedisStep, runRedisSteps } from './redis-steps.ts';
import type { Terminal } from './terminal.ts';

const EXPIRES_SECONDS = 5;

/** Add the command. */
export function addPing(program: Command, terminal: Terminal): void {
  program
    .command('ping')
    .description('Talk to the queue Redis step by step: ping, set, get, setex, ttl, del, quit.')
    .addHelpText('after', '\nExample:\n  millrace ping && echo "Redis answers"\n\nExit code 1 when a step fails.')
    .action(async () => {
      const config = await terminal.config();
      await withRedis(config, 'ping', async (redis) => {
        terminal.print(`ok    ${'ping'.padEnd(38)}${await redis.ping()}`);
        await runRedisSteps(redis, stepsOf(stepPrefix(config)), terminal);
        terminal.print(`ok    ${'quit'.padEnd(38)}${await redis.quit()}`);
      });
    });
}

function stepsOf(prefix: string): RedisStep[] {
  const value = prefix + queueKeys.pingValue();
  const expiring = prefix + queueKeys.pingExpiring();
  const text = randomUUID();
  return [
    { shown: `set ${value}`, command: ['set', value, text], right: equals('OK') },
    { shown: `get ${value}`, command: ['get', value], right: equals(text) },
    {
      shown: `setex ${expiring} ${EXPIRES_SECONDS}`,
      command: ['setex', expiring, EXPIRES_SECONDS, text],
      right: equals('OK'),
    },
    { shown: `ttl ${expiring}`, command: ['ttl', expiring], right: equals(EXPIRES_SECONDS) },
    { shown: `del ${value} ${expiring}`, command: ['del', value, expiring], right: equals(2) },
  ];
}
