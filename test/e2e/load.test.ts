/** `npm run load` as a process, against a real service and against ones that are in trouble. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import type { Report } from '../load/report.ts';
import { writeReport } from '../load/report-files.ts';
import { startBrowser } from '../support/browser.ts';
import { eventually, freePort } from '../support/millrace-process.ts';
import { openWebSite, type WebSite } from '../support/web-site.ts';
import { madeReport, usualReport } from '../unit/load/made-report.ts';
import { refuse, type StandIn, type StandInOptions, startStandIn } from '../unit/load/stand-in-service.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const FIXTURE_JOBS = join(import.meta.dirname, '..', 'fixtures', 'jobs');
const JOBS = join(ROOT, 'jobs');
/** Ignored by git; look at the pictures after a run. */
const PICTURES = join(ROOT, '.data', 'screenshots');

let folder: string;
const closers: (() => unknown)[] = [];
const running = new Set<ChildProcess>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-load-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(async () => {
  for (const child of running) child.kill('SIGKILL');
  for (const close of closers.splice(0).reverse()) await close();
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** What it has said to the person so far. */
  said(): string;
  /** Its folder for the report. */
  readonly report: string;
}

let loads = 0;

interface StartOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** Folder of the report; one of its own unless told. */
  readonly report?: string;
}

/** Start the command, away from any `npm start` of this machine. */
function start(
  line: string,
  { environment = {}, report = join(folder, `report-${++loads}`) }: StartOptions = {},
): Running {
  const args = ['--import', 'tsx', 'test/load/main.ts', ...line.split(' ').filter(Boolean), '--report', report];
  const env = { ...process.env, DATA_DIR: folder, ...environment };
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code) => {
      running.delete(child);
      resolve({ code, out, err });
    });
  });
  return { child, ended, said: () => err, report };
}

async function readReport({ report }: Running): Promise<Report> {
  return JSON.parse(await readFile(join(report, 'report.json'), 'utf8'));
}

async function site(options: Parameters<typeof openWebSite>[0]): Promise<WebSite & { url: string }> {
  const opened = await openWebSite(options);
  closers.push(() => opened.close());
  return { ...opened, url: `http://127.0.0.1:${opened.port}` };
}

async function standIn(options?: StandInOptions): Promise<StandIn> {
  const opened = await startStandIn(options);
  closers.push(() => opened.close());
  return opened;
}

/** Jobs that wait in the queue, once there are `wanted`: what is accepted may reach Redis a little later. */
async function waiting(ask: WebSite['ask'], wanted: number): Promise<number> {
  const look = async () => (await ask('GET', '/v1/queues/learning')).body.counts.waiting as number;
  return eventually(look, (count) => count >= wanted, 10_000);
}

describe('npm run load', () => {
  it('counts what the service counts, and ends with 0 when every threshold holds', async () => {
    const { url, ask } = await site({ jobsDir: FIXTURE_JOBS, worker: false });
    const load = start(
      `--url ${url} --rate 40 --duration 3s --mix learning.slow=3,learning.latched=1 --max-p99 5s --max-error-rate 0 --min-throughput 20`,
    );
    const { code, out } = await load.ended;
    const report = await readReport(load);
    expect(report.errors).toEqual([]);
    expect({ code, verdict: report.verdict }).toEqual({ code: 0, verdict: 'pass' });
    expect(out.match(/^pass: /gm)).toHaveLength(4);
    const { totals, seconds, jobs, statuses, queues, versions } = report;
    expect(totals).toMatchObject({ due: 120, sent: 120, accepted: 120, failed: 0, unsent: 0, acceptedJobs: 120 });
    expect(statuses).toEqual({ 202: 120 });
    expect(seconds.reduce((sum, { acceptedJobs }) => sum + acceptedJobs, 0)).toBe(120);
    expect(jobs.reduce((sum, { acceptedJobs }) => sum + acceptedJobs, 0)).toBe(120);
    expect(queues.learning).toMatchObject({ before: 0, workers: 0 });
    expect(await waiting(ask, 120)).toBe(120);
    expect(versions.service).toBe((await ask('GET', '/health')).body.version);
  });

  it('sends bulk requests, and counts their jobs', async () => {
    const { url, ask } = await site({ jobsDir: FIXTURE_JOBS, worker: false });
    const load = start(`--url ${url} --rate 10 --duration 2s --mix learning.slow --bulk 25 --min-throughput 100`);
    const { code } = await load.ended;
    const { totals, errors } = await readReport(load);
    expect(errors).toEqual([]);
    expect({ code, ...totals }).toMatchObject({ code: 0, due: 20, accepted: 20, acceptedJobs: 500 });
    expect(await waiting(ask, 500)).toBe(500);
  });

  it('follows jobs to their end, and waits until the queues are empty', async () => {
    const { url } = await site({ jobsDir: JOBS });
    const load = start(`--url ${url} --rate 10 --duration 2s --ids 0 --follow 100% --wait 60s`);
    const { code, out } = await load.ended;
    const report = await readReport(load);
    expect(report.followed?.outcomes).toMatchObject({ completed: 20, dead: 0, unfinished: 0 });
    expect(report.latencyMs.completed?.count).toBe(20);
    expect(report.drain?.drained).toBe(true);
    expect(report.jobs[0]?.varied).toEqual(['userId', 'contentId']);
    expect(out).toContain('until completed');
    expect(code).toBe(0);
  });

  it('ends with 1 and says which threshold did not hold', async () => {
    const { url } = await standIn();
    const load = start(`--url ${url} --rate 20 --duration 1s --max-p99 0.01ms --max-error-rate 0 --min-throughput 999`);
    const { code, out } = await load.ended;
    expect(code).toBe(1);
    expect(out.match(/^FAIL: .*/gm)).toEqual([
      expect.stringMatching(/^FAIL: Latency, 99th percentile: .+, at most 10 µs$/),
      expect.stringMatching(/^FAIL: Jobs accepted a second: .+, at least 999$/),
    ]);
    expect((await readReport(load)).verdict).toBe('fail');
  });

  it('reports a service that refuses everything, with its code and words', async () => {
    const { url } = await standIn({
      enqueue: (_request, response) => refuse(response, 503, 'store-unavailable', 'The queue Redis is away.'),
    });
    const load = start(`--url ${url} --rate 20 --duration 2s`);
    const { code, out } = await load.ended;
    expect(code).toBe(1);
    expect(out).toContain('FAIL: Jobs accepted: 0, at least 1');
    const { errors, totals, statuses } = await readReport(load);
    expect(errors).toEqual([{ code: 'store-unavailable', status: 503, count: 40, detail: 'The queue Redis is away.' }]);
    expect({ ...totals, statuses }).toMatchObject({ accepted: 0, failed: 40, errorRate: 1, statuses: { 503: 40 } });
  });

  it('loads nothing and ends with 2 when there is no service, or none that can', async () => {
    const nobody = start(`--url http://127.0.0.1:${await freePort()}`);
    const { code, err } = await nobody.ended;
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining('Start the service with `npm start`') });
    await expect(stat(nobody.report)).rejects.toThrow('ENOENT');
    const { url } = await standIn({
      paths: { '/v1/definitions': (_request, response) => refuse(response, 503, 'shutting-down') },
    });
    const stopping = await start(`--url ${url}`).ended;
    expect({ code: stopping.code, err: stopping.err }).toEqual({
      code: 2,
      err: expect.stringContaining('answered 503 (shutting-down)'),
    });
  });

  it('tells every wrong option at once and ends with 2', async () => {
    const { code, err } = await start('--rate lots --duration 2h --url http://example.com').ended;
    expect(code).toBe(2);
    expect(err).toMatch(/^3 things must be mended first:\n {2}--rate: .+\n {2}--duration: .+\n {2}--url: .+\n$/);
  });

  it('tells every unknown job of the mix at once and ends with 2', async () => {
    const { url, bodies } = await standIn();
    const { code, err } = await start(`--url ${url} --mix a.b=1,cleanup.sweep=1,c.d=2`).ended;
    expect(code).toBe(2);
    expect(err).toContain('the service has no job a.b. It knows: cleanup.sweep, learning.process-edit.');
    expect(err).toContain('the service has no job c.d.');
    expect(bodies).toEqual([]);
  });

  it('brings an API key, which is in no file of the report', async () => {
    const { url, web } = await site({ jobsDir: FIXTURE_JOBS, worker: false, environment: { AUTH: 'on' } });
    const without = await start(`--url ${url} --mix learning.slow --duration 1s`).ended;
    expect({ code: without.code, err: without.err }).toEqual({ code: 2, err: expect.stringContaining('--api-key') });
    const { key } = await web.services.apiKeys.create({ tenant: 'acme', label: 'load' });
    const given = start(`--url ${url} --mix learning.slow --rate 10 --duration 1s --api-key ${key}`);
    const { code, out, err } = await given.ended;
    expect(code).toBe(0);
    const variable = start(`--url ${url} --mix learning.slow --rate 10 --duration 1s`, {
      environment: { MILLRACE_API_KEY: key },
    });
    expect((await variable.ended).code).toBe(0);
    const files = ['report.json', 'report.html'].map((name) => readFile(join(given.report, name), 'utf8'));
    for (const text of [out, err, ...(await Promise.all(files))]) expect(text).not.toContain(key);
  });

  it('sends the same requests again with the same seed', async () => {
    const { url, bodies } = await standIn();
    const line = `--url ${url} --rate 30 --duration 1s --connections 1 --mix learning.process-edit=2,cleanup.sweep=1`;
    const first = start(line);
    expect((await first.ended).code).toBe(0);
    const seen = bodies.splice(0);
    const { replay } = await readReport(first);
    const again = /^npm run load -- (.*) --report \S+ (--seed \d+)$/.exec(replay);
    expect((await start(`${again?.[1]} ${again?.[2]}`).ended).code).toBe(0);
    expect(bodies).toEqual(seen);
    expect(new Set(seen).size).toBeGreaterThan(10);
  });

  it('ends early at the first signal, and keeps the report', async () => {
    const service = await standIn();
    const load = start(`--url ${service.url} --rate 50 --duration 10m`);
    await eventually(
      async () => service.bodies.length,
      (count) => count >= 20,
      20_000,
    );
    load.child.kill('SIGINT');
    const { code, out } = await load.ended;
    expect(code).toBe(0);
    const report = await readReport(load);
    expect(report.endedEarly).toBe(true);
    expect(report.loadMs).toBeLessThan(60_000);
    expect(report.totals.accepted).toBe(service.bodies.length);
    expect(out).toContain('note: The load was ended early.');
  });

  it('waits for nothing at the second signal, and keeps the report', async () => {
    const service = await standIn({ enqueue: () => {} });
    const load = start(`--url ${service.url} --rate 50 --connections 4 --duration 10m --timeout 1m`);
    await eventually(
      async () => service.bodies.length,
      (count) => count === 4,
      20_000,
    );
    let ended: Ended | undefined;
    void load.ended.then((end) => {
      ended = end;
    });
    await eventually(
      async () => {
        load.child.kill('SIGINT');
        return ended;
      },
      (end) => end !== undefined,
      20_000,
    );
    const { errors, totals } = await readReport(load);
    expect(totals).toMatchObject({ sent: 4, accepted: 0 });
    expect(errors.find(({ code }) => code === 'cancelled')?.count).toBe(4);
    expect(totals.failed).toBe(totals.due);
  });

  it('refuses a report folder that cannot be written to, before it sends anything', async () => {
    const { url, asked } = await standIn();
    const { code, err } = await start(`--url ${url}`, { report: join(ROOT, 'package.json', 'under') }).ended;
    expect({ code, err }).toEqual({
      code: 2,
      err: expect.stringMatching(/--report: Cannot write to .+under: ENOTDIR/),
    });
    expect(asked).toEqual([]);
  });
});

describe('the page of the report in a browser', () => {
  let browser: Browser | undefined;
  let missing = '';

  beforeAll(async () => {
    const started = await startBrowser();
    if ('browser' in started) browser = started.browser;
    else missing = started.missing;
  });
  afterAll(() => browser?.close());

  /** The page of a report, opened from its file; whatever the browser complained about, or asked of another place. */
  async function open({ skip }: TestContext, report: Report, options: BrowserContextOptions = {}) {
    if (browser === undefined) return skip(missing);
    const { page: path } = await writeReport(await mkdtemp(join(folder, 'page-')), report);
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    closers.push(() => context.close());
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (request.url() !== pathToFileURL(path).href) complaints.push(`asked ${request.url()}`);
    });
    await page.goto(pathToFileURL(path).href);
    return { page, complaints };
  }

  it.for(['light', 'dark'] as const)(
    'is drawn without a complaint and asks no other place: %s',
    async (scheme, test) => {
      const { page, complaints } = await open(test, usualReport(), { colorScheme: scheme });
      expect(await page.locator('svg').count()).toBe(6);
      const background = await page.evaluate('getComputedStyle(document.body).backgroundColor');
      expect(background).toBe(scheme === 'light' ? 'rgb(246, 246, 243)' : 'rgb(16, 18, 20)');
      await page.screenshot({ path: join(PICTURES, `load-report-${scheme}.png`), fullPage: true });
      expect(complaints).toEqual([]);
    },
  );

  it.for([
    ['two seconds', () => madeReport({ rates: [10, 12], depth: (second) => second })],
    [
      'only refusals',
      () => madeReport({ rates: [50, 50, 50], fate: () => ({ status: 503, code: 'internal', jobs: 0 }) }),
    ],
    ['nothing', () => madeReport({ rates: [0, 0] })],
  ] as const)('is drawn without a complaint: %s', async ([name, made], test) => {
    const { page, complaints } = await open(test, made());
    await page.screenshot({ path: join(PICTURES, `load-report-${name.replace(' ', '-')}.png`), fullPage: true });
    expect(complaints).toEqual([]);
  });

  it('shows the values at the pointer, and by the arrow keys', async (test) => {
    const { page, complaints } = await open(test, usualReport());
    const tip = page.locator('#latency .tip');
    await page.locator('#latency svg').hover();
    await expect.poll(() => tip.textContent()).toMatch(/^3\d sp99\d+ ms/);
    await page.mouse.move(0, 0);
    await expect.poll(() => tip.isVisible()).toBe(false);
    await page.locator('#latency').focus();
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => tip.textContent()).toMatch(/^0 s/);
    expect(complaints).toEqual([]);
  });

  it('fits a small screen: nothing but its own boxes is wider', async (test) => {
    const { page } = await open(test, usualReport(), { viewport: { width: 360, height: 700 } });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
  });

  it('can be read where scripts are off', async (test) => {
    const { page } = await open(test, usualReport(), { javaScriptEnabled: false });
    expect(await page.locator('#thresholds').textContent()).toContain('--max-p99');
    expect(await page.locator('#latency path').count()).toBeGreaterThan(0);
  });
});
