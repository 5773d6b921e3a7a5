/** `millrace cleanup` against a running service. */

import { Command } from 'commander';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addCleanup } from '../../src/cli/cleanup.ts';
import { loadLocalConfig } from '../../src/config.ts';
import { createLogger } from '../../src/logger.ts';
import { jobIdFor } from '../../src/queue/envelope.ts';
import { closeRedis, connectRedis, redisReady, type ScriptedRedis } from '../../src/redis/connections.ts';
import { REAL_JOBS } from '../support/producer-side.ts';
import { openWebSite, type WebSite } from '../support/web-site.ts';

let site: WebSite;
let redis: ScriptedRedis;

beforeAll(async () => {
  site = await openWebSite({ jobsDir: REAL_JOBS });
  const logger = createLogger({ level: 'silent', role: 'test' });
  redis = connectRedis({ url: site.world.config.REDIS_URL, role: 'producer', name: 'test', logger });
  await redisReady(redis, 5000);
});

afterAll(async () => {
  await closeRedis(redis);
  await site.close();
});

/** Run the command; what it prints. */
async function millrace(...args: string[]): Promise<string[]> {
  const printed: string[] = [];
  const program = new Command().exitOverride();
  const config = async () => loadLocalConfig({}, site.world.environment);
  addCleanup(program, { print: (line) => void printed.push(line), say: () => {}, config });
  await program.parseAsync(['node', 'millrace', ...args, '--url', `http://127.0.0.1:${site.port}`]);
  return printed;
}

test('lists the cleanups, each with what it does', async () => {
  const lines = await millrace('cleanup');
  expect(lines.length).toBeGreaterThanOrEqual(5);
  expect(lines.every((line) => /^cleanup[.][a-z-]+ +[A-Z].+[.]$/.test(line))).toBe(true);
  expect(lines.join('\n')).not.toContain('wake-overdue');
});

test('says what a cleanup would remove, then removes it', async () => {
  const prefix = `${site.world.config.QUEUE_PREFIX}:former`;
  const id = jobIdFor('default', 'former.x', undefined, 1);
  await redis.hset(`${prefix}:meta`, 'opts.maxLenEvents', 1);
  await redis.hset(`${prefix}:${id}`, 'name', 'former.x', 'finishedOn', 1);
  await redis.zadd(`${prefix}:completed`, 1, id);
  const [dry] = await millrace('cleanup', 'remove-finished-jobs', '--dry-run');
  expect(JSON.parse(dry ?? '')).toMatchObject({ removed: 1, dryRun: true });
  expect(await redis.exists(`${prefix}:${id}`)).toBe(1);
  const [done] = await millrace('cleanup', 'cleanup.remove-finished-jobs');
  expect(JSON.parse(done ?? '')).toMatchObject({ removed: 1, dryRun: false });
  expect(await redis.exists(`${prefix}:${id}`)).toBe(0);
});

test.each(['nothing-like-this', 'wake-overdue', 'learning.process-edit'])('refuses %s', async (job) => {
  await expect(millrace('cleanup', job)).rejects.toThrow('millrace cleanup');
});
