/** The driver against a small server that answers, refuses and breaks off as the test says. */

import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../../support/millrace-process.ts';
import { Clock } from './clock.ts';
import { Driver, type DriverOptions } from './driver.ts';
import { DriverLog, parseLine } from './driver-log.ts';
import { type PlanOptions, planRequests } from './request-plan.ts';
import { Seed } from './seed.ts';
import { Sender } from './sender.ts';

interface Heard {
  readonly method: string;
  readonly key: string | undefined;
  readonly body: { readonly payload?: { readonly n?: unknown } };
}

let clock: Clock;
let server: Server;
let sender: Sender;
let log: DriverLog;
let folder: string;
let heard: Heard[];
let answer: (request: Heard, response: ServerResponse) => void;

beforeEach(async () => {
  clock = new Clock();
  heard = [];
  answer = (_request, response) => response.writeHead(202).end(JSON.stringify({ id: `job-${heard.length}` }));
  server = createServer((request, response) => void read(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  sender = new Sender({ connections: 4, deadlineMs: 2000 });
  folder = mkdtempSync(join(tmpdir(), 'millrace-driver-'));
  log = new DriverLog(join(folder, 'driver.log'), () => clock.nowMs);
});

afterEach(() => {
  sender.close();
  server.closeAllConnections();
  server.close();
  log.close();
  clock.stop();
  rmSync(folder, { recursive: true });
});

async function read(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let text = '';
  for await (const part of request) text += part;
  const key = request.headers['idempotency-key']?.toString();
  const seen = { method: request.method ?? '', key, body: text === '' ? {} : JSON.parse(text) };
  heard.push(seen);
  answer(seen, response);
}

function driverFor(plan: Partial<PlanOptions>, options: Partial<DriverOptions> = {}): Driver {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const random = new Seed(5).row('requests');
  return new Driver({
    clock,
    log,
    sender,
    plan: planRequests({ random, base: 1, name: 'test', kinds: ['apply'], keyed: 0, ...plan }),
    fronts: [{ name: 'web-0', port }],
    rate: 500,
    concurrency: 4,
    most: 20,
    ...options,
  });
}

async function run(driver: Driver): Promise<string[]> {
  driver.start();
  await eventually(
    async () => driver.done,
    (done) => done,
    10_000,
  );
  await driver.halt();
  return readFileSync(join(folder, 'driver.log'), 'utf8').trimEnd().split('\n');
}

const entriesOf = (lines: readonly string[], type: string) =>
  lines.map(parseLine).filter((each) => each?.type === type);

describe('the driver', () => {
  test('writes a line before each request and one after its answer, with every number once', async () => {
    const lines = await run(driverFor({}));
    expect(entriesOf(lines, 'sent')).toHaveLength(20);
    expect(entriesOf(lines, 'answered')).toHaveLength(20);
    const numbers = heard.map(({ body }) => body.payload?.n);
    expect(numbers.toSorted()).toEqual(Array.from({ length: 20 }, (_, i) => i + 1).toSorted());
    for (const n of numbers) {
      const about = lines.filter((line) => line.split(' ')[2] === String(n)).map((line) => line[0]);
      expect(about).toEqual(['>', '<']);
    }
  });

  test('asks for the same in the same order under the same seed', async () => {
    const first = planRequests({ random: new Seed(9).row('r'), base: 0, name: 'a' });
    const second = planRequests({ random: new Seed(9).row('r'), base: 0, name: 'a' });
    const other = planRequests({ random: new Seed(10).row('r'), base: 0, name: 'a' });
    const take = (plan: typeof first) => Array.from({ length: 50 }, () => plan.next().value);
    const taken = take(first);
    expect(take(second)).toEqual(taken);
    expect(take(other)).not.toEqual(taken);
  });

  test('counts a connection that breaks as no answer', async () => {
    answer = (_request, response) => void response.socket?.resetAndDestroy();
    const lines = await run(driverFor({}, { most: 3 }));
    expect(entriesOf(lines, 'answered')).toHaveLength(3);
    expect(entriesOf(lines, 'answered')).toEqual(expect.arrayContaining([expect.objectContaining({ status: 0 })]));
  });

  test('repeats a keyed request after a 5xx, with the same key and body, and no other', async () => {
    answer = (_request, response) => response.writeHead(heard.length < 3 ? 503 : 202).end('{"id":"job-1"}');
    const lines = await run(driverFor({ keyed: 1 }, { most: 1, retries: 5 }));
    expect(new Set(heard.map((request) => JSON.stringify(request))).size).toBe(1);
    expect(entriesOf(lines, 'answered').map((entry) => entry?.type === 'answered' && entry.status)).toContain(202);
    heard = [];
    answer = (_request, response) => response.writeHead(503).end();
    await run(driverFor({ keyed: 0 }, { most: 1, retries: 5 }));
    expect(heard).toHaveLength(1);
  });

  test('goes to another web process when one is gone, if it is balanced', async () => {
    const fronts = [{ name: 'gone', port: 1 }, ...(await fixedFronts())];
    const watch = driverFor({}, { fronts, balanced: true, most: 10 });
    const seen = watch.watch();
    await run(watch);
    expect([seen.count(202), seen.failed]).toEqual([10, 0]);
  });

  test('holds its rate', async () => {
    const startedMs = clock.nowMs;
    await run(driverFor({}, { rate: 100, most: 50 }));
    expect(clock.nowMs - startedMs).toBeGreaterThan(400);
  });

  test('cancels what is to be cancelled, and writes that down', async () => {
    answer = ({ method }, response) => response.writeHead(method === 'DELETE' ? 200 : 202).end('{"id":"job-1"}');
    const lines = await run(driverFor({ kinds: ['cancelled'] }, { most: 2 }));
    expect(entriesOf(lines, 'cancelling')).toHaveLength(2);
    expect(entriesOf(lines, 'cancel-answered')).toMatchObject([{ status: 200 }, { status: 200 }]);
  });
});

async function fixedFronts() {
  const address = server.address();
  return [{ name: 'web-0', port: typeof address === 'object' && address !== null ? address.port : 0 }];
}

describe('the log', () => {
  test.each(['', '> 1.0', '> 1.0 5 apply single', '< 1.0 5 20', '< 1.0 5 202 learning_01', 'y 1.0 5', '? 1 2 3'])(
    'passes over the torn line "%s"',
    (line) => {
      expect(parseLine(line)).toBeUndefined();
    },
  );
});
