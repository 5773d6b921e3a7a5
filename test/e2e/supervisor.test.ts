/** `npm start`, with small programs in place of web and worker. */

import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { isRunning } from '../../src/local/processes.ts';
import { readLocalState } from '../../src/local/state.ts';
import { type Start, StartFolder } from '../support/npm-start.ts';

/** Answers everything on PORT; says what it was given. */
const WEB = `
import { createServer } from 'node:http';
const server = createServer((request, response) => response.end(JSON.stringify(process.env)));
server.listen(process.env.PORT, '127.0.0.1', () => console.log('listening on ' + process.env.PORT));
process.once('SIGTERM', () => { server.close(() => process.exit(0)); server.closeAllConnections(); });
`;

/** Looks, when told to stop, whether the queue Redis is still there. */
const WORKER = `
import { connect } from 'node:net';
console.log('working');
setInterval(() => {}, 1e6);
process.once('SIGTERM', () => {
  const { hostname, port } = new URL(process.env.REDIS_URL);
  const socket = connect(port, hostname, () => { console.log('drained, Redis is up'); process.exit(0); });
  socket.on('error', (error) => { console.log('drained, Redis is away'); process.exit(0); });
});
`;

const STUBBORN = `console.log('working'); setInterval(() => {}, 1e6); process.on('SIGTERM', () => console.log('no'));`;

const FILES = {
  Procfile: 'web: node web.mjs\nworker: node worker.mjs\nstubborn: node stubborn.mjs\n',
  'web.mjs': WEB,
  'worker.mjs': WORKER,
  'stubborn.mjs': STUBBORN,
};

let home: StartFolder | undefined;
afterEach(async () => {
  await home?.remove();
  home = undefined;
});

/** A folder with the small programs, some of them others. */
async function folder(files: Record<string, string> = {}): Promise<StartFolder> {
  home = await StartFolder.make({ ...FILES, ...files });
  return home;
}

/** Start and wait for the banner. */
async function running(at: StartFolder, environment: Record<string, string> = {}): Promise<Start> {
  const start = at.start(environment);
  await start.ready();
  return start;
}

/** Write one value to the queue Redis and one to PostgreSQL. */
async function write(at: StartFolder): Promise<void> {
  const { stores } = await at.state();
  const redis = new Redis(stores.REDIS_URL?.url ?? '');
  await redis.set('kept', 'yes');
  await redis.quit();
  await inDatabase(stores.DATABASE_URL?.url, (client) => client.query('CREATE TABLE kept AS SELECT 42 AS answer'));
}

/** What `write` has written, as it is found now. */
async function read(at: StartFolder): Promise<unknown[]> {
  const { stores } = await at.state();
  const redis = new Redis(stores.REDIS_URL?.url ?? '');
  const value = await redis.get('kept');
  await redis.quit();
  const { rows } = await inDatabase(stores.DATABASE_URL?.url, (client) => client.query('SELECT answer FROM kept'));
  return [value, ...rows];
}

async function inDatabase<T>(url: string | undefined, ask: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url ?? '' });
  await client.connect();
  try {
    return await ask(client);
  } finally {
    await client.end();
  }
}

async function pidOf(at: StartFolder, name: string): Promise<number> {
  const found = (await at.state()).processes.find((process) => process.name === name);
  if (found === undefined) throw new Error(`${name} does not run`);
  return found.pid;
}

async function stillRunning(pids: readonly number[]): Promise<number[]> {
  return pids.filter(isRunning);
}

describe('npm start', () => {
  it('starts stores, migrates, runs the formation and prints one banner', async () => {
    const at = await folder();
    const start = await running(at, { FORMATION: 'web=2,worker=1' });
    expect(start.text).toContain(`http://127.0.0.1:${at.port}/admin/queues`);
    expect(start.text.match(/Millrace is ready/g)).toHaveLength(1);
    expect(start.text).toMatch(/^worker\.1 \| working$/m);

    const response = await fetch(`http://127.0.0.1:${at.port}/`);
    const given = (await response.json()) as Record<string, string>;
    expect(given).toMatchObject({ AUTH: 'off', EDIT_BATCH_WINDOW_MINUTES: '0.03', PORT: String(at.port) });
    expect(start.text).toContain(`password: ${given.BOARD_PASSWORD}`);

    const { rows } = await inDatabase(given.DATABASE_URL, (client) =>
      client.query(`SELECT count(*)::int AS tables FROM information_schema.tables WHERE table_schema = 'public'`),
    );
    expect(rows[0].tables).toBeGreaterThan(2);
    // What a worker started by hand would get.
    expect(await readLocalState(at.dataDir)).toMatchObject({
      REDIS_URL: given.REDIS_URL,
      REDIS_CACHE_URL: given.REDIS_CACHE_URL,
      DATABASE_URL: given.DATABASE_URL,
      AUTH: 'off',
    });
  });

  it('leaves a variable alone that the user has set', async () => {
    const at = await folder();
    await running(at, { BOARD_PASSWORD: 'of-the-user', EDIT_BATCH_WINDOW_MINUTES: '2', SOMETHING: 'else' });
    const given = await (await fetch(`http://127.0.0.1:${at.port}/`)).json();
    expect(given).toMatchObject({ BOARD_PASSWORD: 'of-the-user', EDIT_BATCH_WINDOW_MINUTES: '2', SOMETHING: 'else' });
  });

  it('on Ctrl-C drains the workers while the stores are up, and leaves no process', async () => {
    const at = await folder();
    const start = await running(at);
    const pids = await start.pids();
    expect(pids).toHaveLength(6);
    start.pressCtrlC();
    expect(await start.ended()).toBe(0);
    expect(start.text).toContain('worker.1 | drained, Redis is up');
    expect(await stillRunning(pids)).toEqual([]);
    expect(await readLocalState(at.dataDir)).toEqual({});
  });

  it('keeps data, ports and the board password over a restart', async () => {
    const at = await folder();
    const first = await running(at);
    await write(at);
    const before = await at.state();
    first.signal('SIGTERM');
    expect(await first.ended()).toBe(0);

    await running(at);
    expect(await read(at)).toEqual(['yes', { answer: 42 }]);
    const after = await at.state();
    expect(after.stores.REDIS_URL?.url).toBe(before.stores.REDIS_URL?.url);
    expect(after.stores.DATABASE_URL?.url).toBe(before.stores.DATABASE_URL?.url);
    expect(after.boardPassword).toBe(before.boardPassword);
  });

  it('after a kill -9 of the supervisor replaces what was left behind, with its data', async () => {
    const at = await folder();
    const first = await running(at);
    await write(at);
    const pids = await first.pids();
    first.signal('SIGKILL');
    await first.ended();
    expect((await stillRunning(pids)).length).toBeGreaterThan(2);

    const second = await running(at);
    expect(await stillRunning(pids)).toEqual([]);
    expect(await read(at)).toEqual(['yes', { answer: 42 }]);
    second.pressCtrlC();
    expect(await second.ended()).toBe(0);
  });

  it('starts a crashed process again, and says so', async () => {
    const at = await folder();
    const start = await running(at);
    const crashed = await pidOf(at, 'worker.1');
    process.kill(crashed, 'SIGKILL');
    await start.printed(/worker\.1 ended \(signal SIGKILL\); starting it again in 0\.5 s/);
    await start.printed(/^worker\.1 \| working$/, 2);
    expect(await pidOf(at, 'worker.1')).not.toBe(crashed);
  });

  it('starts a store that died again, on the same port and with its data', async () => {
    const at = await folder();
    const start = await running(at);
    await write(at);
    const { stores } = await at.state();
    for (const variable of ['REDIS_URL', 'DATABASE_URL'] as const) {
      const pid = stores[variable]?.process?.pid ?? 0;
      process.kill(pid, 'SIGKILL');
      const other = async () => {
        const now = (await at.state()).stores[variable]?.process?.pid;
        return now !== undefined && now !== pid;
      };
      await start.until(`start ${variable} again`, other);
    }
    expect(await read(at)).toEqual(['yes', { answer: 42 }]);
  });

  it('kills what does not stop when Ctrl-C is pressed again, and still stops the stores', async () => {
    const at = await folder();
    const start = await running(at, { FORMATION: 'web=1,stubborn=1' });
    const pids = await start.pids();
    start.pressCtrlC();
    await start.printed(/stubborn\.1 \| no/);
    const began = Date.now();
    await start.until('end', () => {
      if (!isRunning(start.pid)) return true;
      start.signal('SIGINT');
      return false;
    });
    expect(Date.now() - began).toBeLessThan(10_000);
    expect(await stillRunning(pids)).toEqual([]);
  });

  it('kills what does not stop by the deadline', async () => {
    const at = await folder();
    const start = await running(at, { FORMATION: 'web=1,stubborn=1', SHUTDOWN_DEADLINE_MS: '2000' });
    const pids = await start.pids();
    const began = Date.now();
    start.signal('SIGTERM');
    await start.ended();
    expect(Date.now() - began).toBeLessThan(10_000);
    expect(await stillRunning(pids)).toEqual([]);
  });
});

describe('npm start refuses', () => {
  it('a PORT that is taken, by the name of the variable and before it starts anything', async () => {
    const at = await folder();
    const other = createServer().listen(at.port, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const start = at.start();
    expect(await start.ended()).toBe(1);
    other.close();
    expect(start.text).toMatch(new RegExp(`PORT: ${at.port} is taken .*PORT=\\d+ npm start`));
    expect(existsSync(join(at.dataDir, 'redis'))).toBe(false);
  });

  it('to run twice in one folder', async () => {
    const at = await folder();
    const first = await running(at);
    const second = at.start();
    expect(await second.ended()).toBe(1);
    expect(second.text).toContain(`Millrace already runs in ${at.dataDir} (process ${first.pid})`);
    expect((await fetch(`http://127.0.0.1:${at.port}/`)).status).toBe(200);
  });

  it('to install what is missing with MILLRACE_INSTALL=never: code 78 and one screen', async () => {
    const at = await folder();
    const start = at.start({ PATH: '', MILLRACE_INSTALL: 'never' });
    expect(await start.ended()).toBe(78);
    expect(start.text).toContain('sudo apt-get update && sudo apt-get install -y redis-server');
    expect(start.lines.length).toBeLessThan(24);
  });

  it('a FORMATION that the Procfile does not know, with code 78', async () => {
    const at = await folder();
    const start = at.start({ FORMATION: 'web=1,wroker=1' });
    expect(await start.ended()).toBe(78);
    expect(start.text).toContain('FORMATION: the Procfile has no "wroker"');
  });

  it('to go on when a web process cannot start: it says which, and leaves nothing', async () => {
    const at = await folder({ 'web.mjs': `console.log('cannot go on'); process.exit(1);` });
    const start = at.start();
    expect(await start.ended()).toBe(1);
    expect(start.text).toMatch(/^web\.1 +\| cannot go on$/m);
    expect(start.text).toContain('web.1 ends again and again');
    expect(await start.pids()).toEqual([]);
  });
});
