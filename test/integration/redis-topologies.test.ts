/** Everything that the service does with its queue Redis, on a master that Sentinels watch and on a Cluster. */

import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addHealth } from '../../src/cli/health.ts';
import { addPing } from '../../src/cli/ping.ts';
import { type Config, loadConfig, loadLocalConfig } from '../../src/config.ts';
import { isAppError } from '../../src/errors.ts';
import { Deadline } from '../../src/lifecycle.ts';
import { createLogger } from '../../src/logger.ts';
import { readMasters, readRedisFacts } from '../../src/monitoring/redis-facts.ts';
import { StoreCheck } from '../../src/monitoring/store-check.ts';
import { loadCatalog } from '../../src/queue/catalog.ts';
import { closeRedis, connectRedis, redisReady } from '../../src/redis/connections.ts';
import { queueKeys } from '../../src/redis/keys.ts';
import { WebProcess } from '../../src/web.ts';
import { WorkerProcess } from '../../workers/worker.ts';
import { eventually, freePort } from '../support/millrace-process.ts';
import { REAL_JOBS } from '../support/producer-side.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import type { RedisNode } from '../support/redis-node.ts';
import { startRedisSentinel } from '../support/redis-sentinel.ts';
import { createWorld, type World } from '../support/world.ts';

const BOARD_PASSWORD = 'correct horse';
/** What Redis or ioredis says when one command names keys of several slots, or a script a key that it was not given. */
const SEVERAL_SLOTS = /CROSSSLOT|same slot|non local key|undeclared key/i;

interface Topology {
  readonly url: string;
  readonly nodes: readonly RedisNode[];
  readonly sentinels?: readonly RedisNode[];
  /** The master that has the queues' keys. */
  owner(prefix: string): Promise<RedisNode>;
  /** Let its replica take over while it lives. */
  failOver(master: RedisNode): Promise<void>;
  stop(): Promise<void>;
}

const TOPOLOGIES: readonly (readonly [name: string, start: () => Promise<Topology>])[] = [
  [
    'Sentinel',
    async () => {
      const { servers, master, ...sentinel } = await startRedisSentinel();
      return { ...sentinel, nodes: servers, owner: () => master() };
    },
  ],
  [
    'Cluster',
    async () => {
      const { ownerOf, ...cluster } = await startRedisCluster();
      return { ...cluster, owner: (prefix) => ownerOf(`${prefix}:learning:wait`) };
    },
  ],
];

test.each([
  ['redis+sentinel://:secret@127.0.0.1:PORT/mymaster', 'All sentinels are unreachable'],
  ['redis+cluster://:secret@127.0.0.1:PORT', 'no node of the Cluster answers'],
])('millrace ping says why %s cannot be used, and not its password', async (url, why) => {
  const port = await freePort();
  const config = loadLocalConfig({}, { REDIS_URL: url.replace('PORT', String(port)), QUEUE_PREFIX: '{bull}' });
  const program = new Command().exitOverride();
  addPing(program, { print: () => {}, say: () => {}, config: async () => config });
  const failure = await program.parseAsync(['node', 'millrace', 'ping']).catch((error: Error) => error.message);
  expect(failure).toContain(`The queue Redis at 127.0.0.1:${port} cannot be used: ${why}`);
  expect(failure).not.toContain('secret');
});

describe.each(TOPOLOGIES)('on a Redis %s', (name, start) => {
  let topology: Topology;
  let world: World;
  let config: Config;
  let web: WebProcess;
  let worker: WorkerProcess;
  const logged: string[] = [];

  beforeAll(async () => {
    topology = await start();
    world = await createWorld();
    config = loadConfig(
      {},
      {
        ...world.environment,
        REDIS_URL: topology.url,
        REDIS_CACHE_URL: topology.url,
        QUEUE_PREFIX: `{${world.name}}`,
        CACHE_KEY_PREFIX: `{${world.name}-cache}:`,
        PORT: String(await freePort()),
        BOARD_PASSWORD,
        EDIT_BATCH_WINDOW_MINUTES: '0',
        LEARNING_RATE_LIMIT_MINUTES: '0',
      },
    );
    const catalog = await loadCatalog(REAL_JOBS);
    const logger = createLogger({ level: 'debug', role: 'test', destination: { write: (line) => logged.push(line) } });
    web = new WebProcess({ config, catalog, logger });
    worker = new WorkerProcess({ config, catalog, logger, queues: [] });
    await web.start();
    await worker.start();
    await ready();
  });

  afterAll(async () => {
    await web?.stop(Deadline.in(5000));
    await worker?.stop(Deadline.in(5000));
    const servers = [...topology.nodes, ...(topology.sentinels ?? [])];
    const open = async () => (await Promise.all(servers.map(connections))).flat();
    try {
      await eventually(open, (left) => left.length === 0, 3000);
      expect(logged.filter((line) => SEVERAL_SLOTS.test(line))).toEqual([]);
    } finally {
      await topology?.stop();
      await world?.close();
    }
  });

  async function ask(method: string, path: string, body?: object, headers: Record<string, string> = {}) {
    const response = await fetch(`http://127.0.0.1:${config.PORT}${path}`, {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(20_000),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') ?? false;
    return { status: response.status, text, body: (isJson ? JSON.parse(text) : {}) as Record<string, unknown> };
  }

  const ready = () =>
    eventually(
      () => ask('GET', '/readyz'),
      ({ status }) => status === 200,
      20_000,
    );
  const edit = (userId: string, more: object = {}) => ({
    job: 'learning.process-edit',
    payload: { userId, contentId: 'c', originalText: 'I would like to utilize it.', editedText: 'I use it.' },
    ...more,
  });

  test('a job is accepted, runs under its lock, and has told of it before it is completed', async () => {
    const accepted = await ask('POST', '/v1/jobs', edit('writer', { priority: 3 }));
    expect(accepted).toMatchObject({ status: 202 });
    const done = await ask('GET', `/v1/jobs/${accepted.body.id}?wait=20`);
    expect(done.body).toMatchObject({ state: 'completed', result: { edits: 1 } });
    for (let read = 0; read < 2; read++) {
      expect((await ask('GET', '/api/profile/style?userId=writer')).body).toMatchObject({ edits: 1 });
    }
    expect(await web.services.cache.stats()).toMatchObject({ status: 'connected', hits: 1 });
    const stream = config.KEY_PREFIX + queueKeys.events('default');
    const events = await web.services.redis.xrange(stream, '-', '+');
    expect(JSON.stringify(events)).toMatch(/profile\.updated/);
  });

  test('a key gives one job, a delayed one can be cancelled, and both are found again', async () => {
    const key = { 'idempotency-key': 'twice' };
    const first = await ask('POST', '/v1/jobs', edit('keyed'), key);
    expect((await ask('POST', '/v1/jobs', edit('keyed'), key)).body.id).toBe(first.body.id);
    const { body } = await ask('POST', '/v1/jobs', edit('later', { delayMs: 60_000 }));
    expect((await ask('GET', `/v1/jobs/${body.id}`)).body.state).toBe('delayed');
    expect((await ask('DELETE', `/v1/jobs/${body.id}`)).body.state).toBe('cancelled');
    expect((await ask('GET', `/v1/jobs/${body.id}`)).body.state).toBe('cancelled');
  });

  test('a lock has one holder', async () => {
    const profile = { kind: 'profile', tenant: 'default', id: 'locked' } as const;
    const { locks } = web.services;
    await locks.hold(profile, {}, async () => {
      const second = locks.hold(profile, { waitMs: 50 }, async () => 'mine too');
      await expect(second).rejects.toSatisfy((error) => isAppError(error, 'resource-held'));
    });
    expect(await locks.hold(profile, {}, async () => 'mine')).toBe('mine');
  });

  test('health, queues, metrics and the board show the service as it is', async () => {
    expect((await ask('GET', '/health')).body).toMatchObject({
      services: { redis: 'connected', queue: 'healthy' },
    });
    const queues = await ask('GET', '/v1/queues');
    expect(queues.text).toMatch(/"name":"learning".*"workers":1/);
    const metrics = () => ask('GET', '/metrics');
    await eventually(
      metrics,
      ({ text }) => /millrace_job_outcomes_total\{[^}]*completed[^}]*\} [1-9]/.test(text),
      10_000,
    );
    const { text } = await metrics();
    expect(text).toMatch(/millrace_scrape_stale\{source="redis"\} 0/);
    const login = { authorization: `Basic ${Buffer.from(`admin:${BOARD_PASSWORD}`).toString('base64')}` };
    const board = await ask('GET', '/admin/queues/api/queues?activeQueue=learning&status=completed', undefined, login);
    expect(board.status).toBe(200);
    expect(board.text).toContain('learning.process-edit');
  });

  test('what the masters say of themselves is told for each and for the whole', async () => {
    const { redis } = web.services;
    const masters = await readMasters(redis, 2000);
    const owner = await topology.owner(config.QUEUE_PREFIX);
    expect(masters.map(({ place }) => place)).toContain(`127.0.0.1:${owner.port}`);
    for (const master of masters) expect(master).toMatchObject({ role: 'master', appendOnly: true });
    const whole = await readRedisFacts(redis, 2000);
    expect(whole.runId?.split(' ')).toEqual(masters.map(({ runId }) => runId));
    const replicas = masters.reduce((total, master) => total + (master.replicas ?? 0), 0);
    expect(whole).toMatchObject({ evictionPolicy: 'noeviction', appendOnly: true, maxMemory: 0, replicas });
  });

  test('millrace ping and millrace health speak to it and leave no key', async () => {
    const lines: string[] = [];
    const terminal = { print: (line: string) => lines.push(line), say: () => {}, config: async () => config };
    for (const [command, add] of [['ping', addPing] as const, ['health', addHealth] as const]) {
      const program = new Command().exitOverride();
      add(program, { ...terminal, print: (line) => void lines.push(line) });
      await program.parseAsync(['node', 'millrace', command]);
    }
    expect(lines.filter((line) => !line.startsWith('ok'))).toEqual([]);
    const keys = await Promise.all(topology.nodes.map((node) => node.with((client) => client.keys('*:test*'))));
    expect(keys.flat().filter((key) => /test:app|test:expire|health:check/.test(key))).toEqual([]);
  });

  test('a node that may lose jobs is refused by name', async () => {
    const owner = await topology.owner(config.QUEUE_PREFIX);
    await owner.with((client) => client.config('SET', 'appendonly', 'no'));
    const { redis, cacheRedis, logger } = web.services;
    const check = new StoreCheck({ redis, cacheRedis, logger });
    await check.look();
    await owner.with((client) => client.config('SET', 'appendonly', 'yes'));
    const [refusal, ...others] = check.verdict.refusals;
    expect(refusal?.reason).toContain(`The queue Redis at 127.0.0.1:${owner.port} keeps no append-only file`);
    expect(others).toEqual([]);
    await check.look();
    expect(check.verdict.refusals).toEqual([]);
  });

  test.each([
    ['is killed', async (master: RedisNode) => master.kill(), (master: RedisNode) => master.restart()],
    ['hangs', async (master: RedisNode) => master.pause(), async (master: RedisNode) => master.resume()],
    ['is told to hand over', (master: RedisNode) => topology.failOver(master), async () => {}],
  ])('when the master %s, its replica takes over and jobs run again', async (what, away, back) => {
    const master = await topology.owner(config.QUEUE_PREFIX);
    await away(master);
    const user = `after-${what.replaceAll(' ', '-')}`;
    const enqueued = await eventually(
      () => ask('POST', '/v1/jobs', edit(user), { 'idempotency-key': user }),
      ({ status }) => status === 202,
      15_000,
    );
    expect(await completed(enqueued.body.id)).toMatchObject({ result: { edits: 1 } });
    await eventually(
      async () => (await topology.owner(config.QUEUE_PREFIX)) !== master,
      (handedOver) => handedOver,
      15_000,
    );
    await back(master);
    await ready();
    const later = await ask('POST', '/v1/jobs', edit(user));
    expect(await completed(later.body.id)).toMatchObject({ state: 'completed' });
  });

  test('a client starts although the first address of its URL is dead', async () => {
    const url = topology.url.replace('@', `@127.0.0.1:${await freePort()},`);
    const { logger } = web.services;
    const client = connectRedis({ url, role: 'producer', name: 'first-dead', logger });
    try {
      await redisReady(client, 5000);
      expect(await client.ping()).toBe('PONG');
    } finally {
      await closeRedis(client);
    }
  });

  /** The job once it is completed. While a failover is under way nobody may know it, but nobody may deny it. */
  async function completed(id: unknown): Promise<Record<string, unknown>> {
    const look = async () => {
      const answer = await ask('GET', `/v1/jobs/${id}?wait=2`);
      expect(answer).not.toMatchObject({ status: 404 });
      return answer;
    };
    return (await eventually(look, ({ body }) => body.state === 'completed', 20_000)).body;
  }

  /** Our connections to a node, by name. */
  async function connections(node: RedisNode): Promise<string[]> {
    const list = String(await node.with((client) => client.client('LIST')));
    return [...list.matchAll(/ name=(\S*millrace:\S*|bull:\S*) /g)].map(([, client = '']) => `${name}: ${client}`);
  }
});
