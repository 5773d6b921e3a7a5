/**
 * The claim run itself: a service of its own, the driver, random faults, the verdict, and the files that keep it.
 *
 * Promises: memory does not grow with the jobs but for their numbers and ids; everything that was started is stopped,
 * whatever goes wrong; the result says how to run it again.
 */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import type { Redis } from 'ioredis';
import { messageOf } from '../../../src/errors.ts';
import { check, explain } from './checker.ts';
import { Clock } from './clock.ts';
import { Driver } from './driver.ts';
import { DriverLog } from './driver-log.ts';
import type { Verdict } from './evidence.ts';
import { isQuiet } from './quiet.ts';
import { planRequests } from './request-plan.ts';
import type { Random, Seed } from './seed.ts';
import { Sender } from './sender.ts';
import { Service } from './service.ts';
import { gatherEvidence, lookAtJournals, openRedis } from './store-evidence.ts';
import type { Watch } from './watch.ts';
import { nextWeather } from './weather.ts';

export interface ClaimOptions {
  readonly jobs: number;
  /** Jobs a second. */
  readonly rate: number;
  readonly seed: Seed;
  /** Where log and result are kept. */
  readonly folder: string;
}

export interface ClaimResult {
  readonly holds: boolean;
  /** For people. */
  readonly text: string;
}

/** The folder is another run's. */
export class FolderTaken extends Error {
  override readonly name = 'FolderTaken';
}

const CONCURRENCY = 64;
const REQUEST_MS = 15_000;
const PATIENCE = { stuckMs: 60_000, mostMs: 3_600_000 } as const;
const CALM_MS = { least: 300, most: 3000 } as const;
const PROGRESS_MS = 1000;

export class Claim {
  readonly #options: ClaimOptions;
  readonly #clock = new Clock();
  readonly #faults = new Map<string, number>();
  readonly #problems: string[] = [];
  #now = 'starting';
  #ending = false;
  #mostMemory = 0;
  #redisVersion = 'unknown';

  constructor(options: ClaimOptions) {
    this.#options = { ...options, folder: resolve(options.folder) };
  }

  /** Ask for no more jobs; what was asked for is judged. */
  endEarly(): void {
    this.#ending = true;
  }

  async run(): Promise<ClaimResult> {
    const { seed, folder } = this.#options;
    mkdirSync(folder, { recursive: true });
    const logPath = join(folder, 'driver.log');
    if (existsSync(logPath)) throw new FolderTaken(`${folder} holds another run. Name a new folder with --keep.`);
    console.error(`claim run, seed ${seed.value}, kept in ${folder}`);
    const service = await Service.start({ clock: this.#clock, seed, folder: join(folder, 'service') });
    const redis = openRedis(service);
    this.#redisVersion = /redis_version:(\S+)/.exec(await redis.info('server'))?.[1] ?? 'unknown';
    const log = new DriverLog(logPath, () => this.#clock.nowMs);
    const sender = new Sender({ connections: CONCURRENCY, deadlineMs: REQUEST_MS });
    try {
      const driver = this.#driver(service, log, sender);
      const watch = driver.watch();
      const startedMs = this.#clock.nowMs;
      await this.#load(service, redis, driver, log, watch);
      const loadedMs = this.#clock.nowMs - startedMs;
      this.#now = 'waiting for quiet';
      await service.calm();
      const restless = await this.#whileShown(driver, watch, () =>
        isQuiet(service, redis, PATIENCE, (text) => log.note(text)),
      );
      const journal = await lookAtJournals(service);
      // Jobs that move while they are counted are counted twice, or not at all.
      if (restless !== undefined) await service.freeze();
      const bounds = { log: logPath, from: 0, to: Number.MAX_SAFE_INTEGER };
      const evidence = gatherEvidence(service, redis, bounds, journal);
      const verdict = await check(evidence, 0);
      if (restless !== undefined) this.#problems.push(restless);
      this.#problems.push(...(await explain(verdict, evidence.lines())));
      return this.#conclude(verdict, watch, loadedMs, this.#clock.nowMs - startedMs);
    } finally {
      sender.close();
      redis.disconnect();
      log.close();
      await service.stop();
      this.#clock.stop();
    }
  }

  #driver(service: Service, log: DriverLog, sender: Sender): Driver {
    const { seed, jobs, rate } = this.#options;
    const routes = { single: 0.9, bulk: 0.06, stream: 0.04 };
    return new Driver({
      clock: this.#clock,
      log,
      sender,
      plan: planRequests({ random: seed.row('requests'), base: 0, name: `claim-${seed.value}`, routes }),
      fronts: service.webs.map(({ name }, i) => ({ name, port: service.lines.fronts[i]?.port ?? 0 })),
      rate,
      concurrency: CONCURRENCY,
      most: jobs,
      retries: 3,
    });
  }

  async #load(service: Service, redis: Redis, driver: Driver, log: DriverLog, watch: Watch): Promise<void> {
    const random: Random = this.#options.seed.row('weather');
    driver.start();
    await this.#whileShown(driver, watch, async () => {
      while (!driver.done && !this.#ending) {
        this.#now = 'calm';
        await this.#clock.after(random.whole(CALM_MS.least, CALM_MS.most));
        const weather = nextWeather(random);
        this.#now = weather.name;
        this.#faults.set(weather.name, (this.#faults.get(weather.name) ?? 0) + 1);
        log.note(`${weather.name}: begins`);
        try {
          await weather.run({ service, redis, random, note: (text) => log.note(text) });
        } catch (error) {
          this.#problems.push(`${weather.name}: ${messageOf(error)}`);
          await service.calm();
        }
        log.note(`${weather.name}: over`);
      }
      await driver.halt();
    });
  }

  /** Do `work` with a line of progress every second. */
  async #whileShown<T>(driver: Driver, watch: Watch, work: () => Promise<T>): Promise<T> {
    const timer = setInterval(() => this.#show(driver, watch), PROGRESS_MS);
    try {
      return await work();
    } finally {
      clearInterval(timer);
      if (process.stderr.isTTY) process.stderr.write('\n');
    }
  }

  #show(driver: Driver, watch: Watch): void {
    const megabytes = Math.round(process.memoryUsage.rss() / 1e6);
    this.#mostMemory = Math.max(this.#mostMemory, megabytes);
    const share = Math.floor((100 * driver.asked) / this.#options.jobs);
    const answers = `202 ${watch.count(202)}, 4xx ${watch.total - watch.count(202) - watch.failed}, failed ${watch.failed}`;
    const line = `${share} % of ${this.#options.jobs} | ${answers} | ${driver.underWay} under way | ${megabytes} MB | ${this.#now}`;
    if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${line}`);
    else if (Math.round(this.#clock.nowMs / PROGRESS_MS) % 10 === 0) console.error(line);
  }

  #conclude(verdict: Verdict, watch: Watch, loadMs: number, wholeMs: number): ClaimResult {
    const { seed, jobs, rate, folder } = this.#options;
    const problems = this.#problems;
    const holds = problems.length === 0;
    const result = {
      seed: seed.value,
      command: `npm run chaos:claim -- --jobs ${jobs} --rate ${rate} --seed ${seed.value}`,
      at: new Date().toISOString(),
      machine: {
        cpu: cpus()[0]?.model ?? 'unknown',
        cores: cpus().length,
        node: process.version,
        redis: this.#redisVersion,
      },
      seconds: { load: Math.round(loadMs / 1000), whole: Math.round(wholeMs / 1000) },
      callers: watch.toString(),
      mostMemoryMegabytes: this.#mostMemory,
      faults: Object.fromEntries([...this.#faults].sort()),
      accounts: verdict.accounts,
      problems,
      holds,
    };
    const { accounts } = verdict;
    const faults = [...this.#faults].sort().map(([name, times]) => `${name} × ${times}`);
    const text = [
      `${result.command}`,
      `${result.at}, ${result.machine.cores} cores (${result.machine.cpu}), Node ${process.version}, Redis ${result.machine.redis}`,
      `${result.seconds.load} s of load, ${result.seconds.whole} s until all was done; driver and checker at most ${this.#mostMemory} MB`,
      `callers: ${result.callers}`,
      `faults: ${faults.join(', ')}`,
      `${accounts.requests} jobs asked for: ${accounts.accepted} accepted, ${accounts.refused} refused, ${accounts.unknown} not answered or 5xx`,
      `${accounts.accepted} accepted = ${accounts.completed} completed + ${accounts.dead} dead + ${accounts.cancelled} cancelled + ` +
        `${accounts.waiting} waiting + ${accounts.active} active + ${accounts.delayed} delayed + ${accounts.missing} journalled or lost`,
      ...(holds ? ['0 lost, 0 duplicated'] : ['VIOLATIONS:', ...problems]),
    ].join('\n');
    writeFileSync(join(folder, 'result.json'), `${JSON.stringify(result, null, 2)}\n`);
    writeFileSync(join(folder, 'result.txt'), `${text}\n`);
    return { holds, text };
  }
}
