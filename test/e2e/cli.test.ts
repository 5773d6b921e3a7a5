/** The `millrace` command, as a process of its own. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiKeys } from '../../src/access/api-keys.ts';
import { connectDatabase } from '../../src/database/connection.ts';
import { SetAside } from '../../src/journal/set-aside.ts';
import { startPrivateRedis } from '../support/stores.ts';
import { createWorld, type World } from '../support/world.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const RUN_MS = 20_000;

let world: World;
beforeAll(async () => {
  world = await createWorld({ migrate: false });
});
afterAll(() => world?.close());

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Run the command with the world's variables and `extra` on top; an empty one is as good as unset. */
function millrace(args: string[], extra: Record<string, string> = {}): Promise<Run> {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...world.environment, ...extra };
  return new Promise((resolve) => {
    const options = { cwd: ROOT, env, timeout: RUN_MS };
    execFile(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', ...args], options, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err }),
    );
  });
}

describe('millrace migrate and keys', () => {
  it('says what to do while there are no tables, makes them, and again without harm', async () => {
    const before = await millrace(['keys', 'list']);
    expect(before).toMatchObject({ code: 1, out: '' });
    expect(before.err).toContain('millrace migrate');
    expect(await millrace(['migrate'])).toMatchObject({ code: 0, out: '' });
    expect(await millrace(['migrate'])).toMatchObject({ code: 0 });
  });

  it('makes a key that works, lists it, and revokes it', async () => {
    const made = await millrace(['keys', 'create', '--tenant', 'acme', '--label', 'the billing job']);
    expect(made.code).toBe(0);
    const key = made.out.trimEnd();
    expect(key).toMatch(/^mr_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/);
    expect(made.err).not.toContain(key);
    const id = key.slice(3, 15);

    const { DATABASE_URL: url, DATABASE_SCHEMA: schema } = world.config;
    const database = connectDatabase({ url, schema, poolSize: 2, name: 'cli-test' });
    try {
      expect(await new ApiKeys({ database }).verify(key)).toEqual({ id, tenant: 'acme', operator: false });
      const listed = await millrace(['keys', 'list']);
      expect(listed.out).toMatch(new RegExp(`^${id}  acme +no .*the billing job$`, 'm'));
      expect(listed.out).not.toContain(key.slice(-43));
      expect(JSON.parse((await millrace(['keys', 'list', '--json'])).out)).toMatchObject({ id, tenant: 'acme' });
      expect(await millrace(['keys', 'revoke', id])).toMatchObject({ code: 0 });
      expect(await new ApiKeys({ database }).verify(key)).toBeNull();
      expect(await millrace(['keys', 'revoke', id])).toMatchObject({ code: 1 });
    } finally {
      await database.destroy();
    }
  });

  it('refuses a wrong tenant and an unknown flag with a reason', async () => {
    const wrong = await millrace(['keys', 'create', '--tenant', 'ACME', '--label', 'x']);
    expect(wrong).toMatchObject({ code: 1, out: '' });
    expect(wrong.err).toContain('tenant must be');
    expect(await millrace(['keys', 'create', '--nonsense'])).toMatchObject({ code: 1 });
    expect(await millrace(['nonsense'])).toMatchObject({ code: 1 });
  });
});

describe('millrace ping and health', () => {
  it('print each step, end well and leave no key', async () => {
    const ping = await millrace(['ping']);
    expect(ping).toMatchObject({ code: 0, err: '' });
    const steps = ping.out.trimEnd().split('\n');
    expect(steps.every((line) => line.startsWith('ok'))).toBe(true);
    const names = steps.map((line) => line.split(/ +/)[1]);
    expect(names).toEqual(['ping', 'set', 'get', 'setex', 'ttl', 'del', 'quit']);

    const health = await millrace(['health']);
    expect(health).toMatchObject({ code: 0, err: '' });
    for (const part of ['health:check:test', 'health:check:hash', 'publish', 'health:check:channel']) {
      expect(health.out).toContain(part);
    }
    const redis = new Redis(world.config.REDIS_URL);
    const left = await redis.dbsize();
    redis.disconnect();
    expect(left).toBe(0);
  });

  it('end with 1 and the reason when Redis is away, refuses writes, or wants another password', async () => {
    const own = await startPrivateRedis();
    try {
      const redis = new Redis(own.url);
      await redis.config('SET', 'min-replicas-to-write', '1');
      redis.disconnect();
      const refusing = await millrace(['health'], { REDIS_URL: own.url });
      expect(refusing.code).toBe(1);
      expect(`${refusing.out}${refusing.err}`).toMatch(/NOREPLICAS/);

      const wrong = new URL(own.url);
      wrong.password = 'not-this-one';
      const refused = await millrace(['ping'], { REDIS_URL: wrong.href });
      expect(refused.code).toBe(1);
      expect(refused.err).toMatch(/WRONGPASS|AUTH/);
      expect(refused.err).not.toContain('not-this-one');

      await own.kill();
      for (const command of ['ping', 'health']) {
        const away = await millrace([command], { REDIS_URL: own.url });
        expect(away.code).toBe(1);
        expect(away.err).toContain('ECONNREFUSED');
        expect(away.err).not.toContain('    at ');
      }
    } finally {
      await own.restart();
      await own.stop();
    }
  });

  it('end with 78 and the variable when no store is known', async () => {
    const nothing = { REDIS_URL: '', DATA_DIR: '/nonexistent/millrace' };
    const run = await millrace(['ping'], nothing);
    expect(run.code).toBe(78);
    expect(run.err).toContain('REDIS_URL');
  });
});

describe('millrace --help', () => {
  it('shows each command with an example', async () => {
    expect((await millrace(['--help'])).out).toMatch(/keys[\s\S]*migrate[\s\S]*ping[\s\S]*health/);
    const commands = [['keys', 'create'], ['keys', 'list'], ['keys', 'revoke'], ['migrate'], ['ping'], ['health']];
    const pages = await Promise.all(commands.map((command) => millrace([...command, '--help'])));
    for (const page of pages) expect(page.out).toMatch(/Examples?:\n/);
  });
});

describe('millrace set-aside', () => {
  const id = `learning_${'0'.repeat(32)}`;
  const aside = () => new SetAside({ directory: world.config.JOURNAL_DIR ?? '' });

  it('lists what was set aside with the reason, lets it try again, drops it, and says when it is not there', async () => {
    expect(await millrace(['set-aside', 'list'])).toMatchObject({ code: 0, out: '' });
    await aside().start();
    await aside().put(
      {
        id,
        queue: 'learning',
        name: 'learning.process-edit',
        tenant: 'acme',
        data: '{"payload":{}}',
        requestedAt: 1,
        runAt: 0,
        priority: 0,
        attempts: 1,
        keyed: false,
      },
      'WRONGTYPE of a key',
    );
    const listed = await millrace(['set-aside', 'list']);
    expect(JSON.parse(listed.out)).toEqual({
      id,
      job: 'learning.process-edit',
      tenant: 'acme',
      reason: 'WRONGTYPE of a key',
    });
    expect(await millrace(['set-aside', 'retry', id])).toMatchObject({ code: 0 });
    expect(await aside().returned()).toMatchObject([{ id, data: '{"payload":{}}' }]);
    const gone = await millrace(['set-aside', 'drop', id]);
    expect(gone.code).toBe(1);
    expect(gone.err).toContain('set-aside list');
  });
});
