/** The board over HTTP: login, refusals, audit, redaction. How it looks is in test/e2e/board.test.ts. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BOARD_JOBS, BOARD_LOGIN, type BoardSite, startBoardSite } from '../support/board-site.ts';
import { startPrivateRedis } from '../support/stores.ts';
import { createWorld, type World } from '../support/world.ts';

const authorization = basic(BOARD_LOGIN.user, BOARD_LOGIN.password);

let world: World;
let readOnly: BoardSite;
let writable: BoardSite;
beforeAll(async () => {
  world = await createWorld({ migrate: false });
  readOnly = await startBoardSite(world);
  writable = await startBoardSite(world, { writes: 'on' });
});
afterAll(async () => {
  await readOnly?.close();
  await writable?.close();
  await world?.close();
});

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function get(site: BoardSite, path: string, headers: Record<string, string> = { authorization }): Promise<Response> {
  return fetch(site.url + path, { headers });
}

function put(site: BoardSite, path: string, headers: Record<string, string> = {}): Promise<Response> {
  const { origin } = new URL(site.url);
  const own = { authorization, origin, 'content-type': 'application/json', ...headers };
  return fetch(`${site.url}/api/queues${path}`, { method: 'PUT', body: '{}', headers: own });
}

async function expectProblem(response: Response, status: number): Promise<{ code: string; detail: string }> {
  expect(response.status).toBe(status);
  expect(response.headers.get('content-type')).toContain('application/problem+json');
  return (await response.json()) as { code: string; detail: string };
}

describe('the login', () => {
  it('is asked for on every path, with a challenge', async () => {
    for (const path of ['', '/', '/api/queues', '/static/images/logo.svg', '/queue/letters', '/nothing']) {
      const response = await get(readOnly, path, {});
      await expectProblem(response, 401);
      expect(response.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
    }
  });

  it('refuses wrong credentials and writes them down', async () => {
    const before = readOnly.audit.length;
    for (const wrong of [basic('admin', 'wrong'), basic('root', BOARD_LOGIN.password), basic('', '')]) {
      await expectProblem(await get(readOnly, '/', { authorization: wrong }), 401);
    }
    for (const odd of ['Bearer abc', 'Basic', 'Basic ????']) {
      await expectProblem(await get(readOnly, '/', { authorization: odd }), 401);
    }
    expect(readOnly.audit.length - before).toBe(3);
    expect(JSON.stringify(readOnly.audit)).not.toContain('wrong"');
  });

  it('is closed with the cure when no password is configured', async () => {
    const site = await startBoardSite(world, { password: undefined });
    try {
      const problem = await expectProblem(await get(site, '/'), 503);
      expect(problem.detail).toContain('BOARD_PASSWORD');
    } finally {
      await site.close();
    }
  });
});

describe('the page', () => {
  it('has a strict policy, asks no other site and does not say what it runs on', async () => {
    const response = await get(readOnly, '/');
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(response.headers.get('x-powered-by')).toBeNull();
    expect(response.headers.get('cache-control')).toBe('no-store');
    const html = await response.text();
    expect(html).toContain('<title>Millrace</title>');
    expect(html).not.toMatch(/(href|src)="https?:/);
    expect(html).not.toContain('style=');
    for (const [, asset] of html.matchAll(/(?:href|src)="((?!data:|\/)[^"]+)"/g)) {
      expect((await get(readOnly, `/${asset}`)).status, asset).toBe(200);
    }
  });

  it('leaves paths it does not know to the application', async () => {
    expect((await get(readOnly, '/nothing/at/all/here')).status).toBe(404);
  });
});

describe('what is shown', () => {
  it('names every queue and covers secret payload fields, in lists and alone', async () => {
    const list = await (await get(readOnly, '/api/queues?activeQueue=letters&jobsPerPage=10')).text();
    const one = await (await get(readOnly, `/api/queues/letters/${BOARD_JOBS.finished}`)).text();
    expect(list).toContain('"mills"');
    for (const body of [list, one]) {
      expect(body).toContain('ada@example.org');
      expect(body).toContain('[redacted]');
      expect(body).not.toContain('my-secret-seal');
    }
  });
});

describe('a read-only board', () => {
  it('refuses every way to write', async () => {
    const writes = ['/pause', '/letters/obliterate', '/letters/letters_dead/retry', '/letters/clean/completed'];
    for (const path of writes) {
      const problem = await expectProblem(await put(readOnly, path), 403);
      expect(problem.detail).toContain('BOARD_WRITES=on');
    }
    expect(await readOnly.letters.getJobState(BOARD_JOBS.dead)).toBe('failed');
  });
});

describe('a board with writes on', () => {
  it('refuses a write that does not come from its own page', async () => {
    const strange = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { 'sec-fetch-site': 'none' },
    ];
    for (const headers of strange)
      await expectProblem(await put(writable, '/letters/letters_dead/retry', headers), 403);
    const bare = await fetch(`${writable.url}/api/queues/letters/letters_dead/retry`, {
      method: 'PUT',
      headers: { authorization },
    });
    await expectProblem(bare, 403);
    expect(await writable.letters.getJobState(BOARD_JOBS.dead)).toBe('failed');
  });

  it('refuses what could lose an accepted job or put one in unchecked', async () => {
    const closed = [
      '/pause',
      '/letters/obliterate',
      '/letters/empty',
      '/mills/clean/wait',
      '/mills/clean/delayed',
      `/mills/${BOARD_JOBS.waiting}/clean`,
      '/letters/retry/completed',
      `/letters/${BOARD_JOBS.finished}/retry`,
      '/letters/concurrency',
    ];
    for (const path of closed) expect((await put(writable, path)).status, path).toBe(403);
    const counts = JSON.parse(await (await get(writable, '/api/queues')).text()) as { queues: { counts: object }[] };
    expect(counts.queues.map((queue) => queue.counts)).toMatchObject([{ failed: 1, completed: 1 }, { waiting: 1 }]);
  });

  it('retries and removes, with one audit line each: who, what, queue, job, outcome', async () => {
    writable.audit.splice(0);
    expect((await put(writable, '/letters/letters_dead/retry')).status).toBe(204);
    expect((await put(writable, `/letters/${BOARD_JOBS.finished}/clean`)).status).toBe(204);
    expect((await put(writable, '/letters/letters_gone/clean')).status).toBe(404);
    expect((await put(writable, '/letters/obliterate')).status).toBe(403);
    await expect.poll(() => writable.audit.length).toBe(4);
    const shared = { user: 'admin', from: expect.stringContaining('127.0.0.1'), queue: 'letters' };
    const one = 'PUT /api/queues/:queueName/:jobId';
    expect(writable.audit).toMatchObject([
      { ...shared, action: `${one}/retry`, jobId: 'letters_dead', outcome: 'done' },
      { ...shared, action: `${one}/clean`, jobId: 'letters_finished', outcome: 'done' },
      { ...shared, action: `${one}/clean`, jobId: 'letters_gone', outcome: 'failed' },
      { ...shared, action: 'PUT /api/queues/:queueName/obliterate', outcome: 'refused' },
    ]);
    expect(await writable.letters.getJobState('letters_dead')).toBe('waiting');
  });

  it('answers a body it cannot read with 400', async () => {
    const { origin } = new URL(writable.url);
    const response = await fetch(`${writable.url}/api/queues/letters/add`, {
      method: 'POST',
      body: '{',
      headers: { authorization, origin, 'content-type': 'application/json' },
    });
    await expectProblem(response, 400);
  });
});

describe('with Redis away', () => {
  it('the page still loads and its data are a 503', async () => {
    const redis = await startPrivateRedis();
    const own = await createWorld({ migrate: false, stores: { redis: redis.url } });
    const site = await startBoardSite(own);
    try {
      await redis.kill();
      expect((await get(site, '/')).status).toBe(200);
      const problem = await expectProblem(await get(site, '/api/queues'), 503);
      expect(problem.code).toBe('store-unavailable');
    } finally {
      await site.close();
      await redis.restart();
      await own.close();
      await redis.stop();
    }
  });
});
