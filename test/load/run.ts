/**
 * One load from its first request to its report.
 *
 * Promises: it ends: the load by its duration or the first signal, the answers by their time-outs, the followed jobs and
 * the wait for empty queues by their own bounds, and all of it at once by the second signal. Whatever ends it, there is
 * a report.
 */

import { pause } from '../../src/lifecycle.ts';
import { VERSION } from '../../src/monitoring/version.ts';
import { type Due, driveClosed, driveOpen, type LoadClock } from './driver.ts';
import { Followers, MOST_AT_ONCE } from './followers.ts';
import { describeMachine, EffortMeter } from './machine.ts';
import type { LoadOptions } from './options.ts';
import { Progress } from './progress.ts';
import { QueueWatch } from './queues.ts';
import { Random } from './random.ts';
import { makeReport, type Report } from './report.ts';
import { type Definition, RequestMaker, type WeightedDefinition } from './requests.ts';
import { dueTimes } from './schedule.ts';
import { Service } from './service.ts';
import { Tally } from './tally.ts';

/** What is sent when nothing was asked for. */
const USUAL_JOB = 'learning.process-edit';

/** The mix names jobs that the service does not know. One sentence each. */
export class MixProblems extends Error {
  override readonly name = 'MixProblems';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

export interface RunOptions {
  readonly options: LoadOptions;
  /** As it goes into the report. */
  readonly command: string;
  readonly replay: string;
  readonly progress: { write(text: string): unknown; readonly columns?: number | undefined };
  /** Aborts: send nothing more, wait for what is in flight. */
  readonly enough: AbortSignal;
  /** Aborts: wait for nothing. */
  readonly atOnce: AbortSignal;
}

/** The parts of the mix with their definitions. Throws `MixProblems`. */
export function chooseParts(
  mix: LoadOptions['mix'],
  definitions: readonly Definition[],
): [WeightedDefinition, ...WeightedDefinition[]] {
  const names = definitions.map(({ name }) => name).sort();
  const known = `It knows: ${names.join(', ') || 'none'}.`;
  if (mix === undefined && !names.includes(USUAL_JOB)) {
    throw new MixProblems([`--mix: must name the jobs, for the service has no ${USUAL_JOB}. ${known}`]);
  }
  const problems: string[] = [];
  const parts = (mix ?? [{ job: USUAL_JOB, weight: 1 }]).flatMap(({ job, weight }) => {
    const definition = definitions.find(({ name }) => name === job);
    if (definition === undefined) problems.push(`--mix: the service has no job ${job}. ${known}`);
    return definition === undefined ? [] : [{ definition, weight }];
  });
  const [first, ...rest] = parts;
  if (problems.length > 0 || first === undefined) throw new MixProblems(problems);
  return [first, ...rest];
}

/** Load the service. Throws `NoService` or `MixProblems` before the first request, and nothing after it. */
export async function runLoad({ options, command, replay, progress, enough, atOnce }: RunOptions): Promise<Report> {
  const { url, apiKey, connections } = options;
  const service = new Service({ url, apiKey, connections, followers: MOST_AT_ONCE });
  const hangUp = () => service.close();
  const stopFollowing = () => service.stopFollowing();
  atOnce.addEventListener('abort', hangUp);
  enough.addEventListener('abort', stopFollowing);
  try {
    const parts = chooseParts(options.mix, await service.definitions());
    const serviceVersion = await service.version();
    const load = new Load(options, service, parts, enough);
    const found = await load.run(progress);
    const versions = { service: serviceVersion ?? null, node: process.versions.node, millrace: VERSION };
    return makeReport({ ...found, options, command, replay, versions });
  } finally {
    service.close();
    atOnce.removeEventListener('abort', hangUp);
    enough.removeEventListener('abort', stopFollowing);
  }
}

class Load {
  readonly #options: LoadOptions;
  readonly #service: Service;
  readonly #parts: readonly WeightedDefinition[];
  readonly #enough: AbortSignal;
  readonly #requests: RequestMaker;
  readonly #sample: Random;
  readonly #tally = new Tally();
  readonly #clock: LoadClock;
  readonly #followers: Followers;
  readonly #queues: QueueWatch;
  /** Undefined until the load begins: the clock stands still. */
  #startMs: number | undefined;

  constructor(
    options: LoadOptions,
    service: Service,
    parts: [WeightedDefinition, ...WeightedDefinition[]],
    enough: AbortSignal,
  ) {
    const { seed, bulk, ids } = options;
    this.#options = options;
    this.#service = service;
    this.#parts = parts;
    this.#enough = enough;
    this.#requests = new RequestMaker({ parts, seed, bulk, ids });
    this.#sample = new Random(seed, 'sample');
    this.#clock = {
      now: () => (this.#startMs === undefined ? 0 : performance.now() - this.#startMs),
      wait: pause,
    };
    this.#followers = new Followers({
      state: (id, waitMs) => service.state(id, waitMs),
      clock: this.#clock,
      signal: enough,
    });
    this.#queues = new QueueWatch({
      look: () => service.queues(),
      names: new Set(parts.map(({ definition }) => definition.queue)),
      clock: this.#clock,
      seen: (atMs, depth) => this.#tally.look(atMs, depth),
    });
  }

  async run(stream: RunOptions['progress']) {
    const { durationMs, waitMs, followShare } = this.#options;
    const machine = describeMachine();
    await this.#queues.look();
    const startedAt = new Date();
    this.#startMs = performance.now();
    const effort = new EffortMeter();
    let endedMs: number | undefined;
    const ended = () => (endedMs ??= this.#clock.now());
    this.#enough.addEventListener('abort', ended, { once: true });
    if (this.#enough.aborted) ended();
    const over = new AbortController();
    let after: string | undefined;
    const progress = new Progress({ durationMs, stream });
    const beside = [this.#queues.watch(over.signal), this.#tell(progress, over.signal, () => after)];
    await this.#drive();
    this.#enough.removeEventListener('abort', ended);
    const spent = effort.stop();
    after = 'the load is over, waiting for jobs to finish';
    await this.#followers.done();
    over.abort();
    await Promise.all(beside);
    progress.end();
    const drain = waitMs === undefined ? null : await this.#drain(progress, waitMs);
    if (drain === null) await this.#queues.look();
    const totalMs = this.#clock.now();
    this.#tally.end(totalMs);
    const { latency, outcomes } = this.#followers;
    const { varied } = this.#requests;
    return {
      startedAt,
      machine,
      loadMs: Math.min(endedMs ?? durationMs, durationMs),
      totalMs,
      endedEarly: endedMs !== undefined && endedMs < durationMs,
      tally: this.#tally,
      mix: this.#parts.map(({ definition: { name }, weight }) => ({ job: name, weight, varied: varied[name] ?? [] })),
      followed: followShare > 0 ? { share: followShare, outcomes, latency } : null,
      queues: this.#queues.stories,
      unreadable: this.#queues.unreadable,
      drain,
      effort: spent,
    };
  }

  #drive(): Promise<void> {
    const { rate, connections, durationMs, rampMs, timeoutMs, arrivals, seed } = this.#options;
    const clock = this.#clock;
    const signal = this.#enough;
    const send = (due: Due) => this.#send(due);
    if (rate === 'max') return driveClosed({ connections, durationMs, rampMs, clock, signal, send });
    const schedule = dueTimes({ rate, durationMs, rampMs, arrivals, random: new Random(seed, 'arrivals') });
    const giveUp = (due: Due) => this.#giveUp(due);
    return driveOpen({ schedule, connections, patienceMs: timeoutMs, clock, signal, send, giveUp });
  }

  async #send({ dueMs, waited }: Due): Promise<{ answered: boolean }> {
    const request = this.#requests.next();
    const followed = this.#options.followShare > 0 && this.#sample.next() < this.#options.followShare;
    const sentMs = this.#clock.now();
    this.#tally.send(dueMs, sentMs, waited);
    const { id, ...outcome } = await this.#service.enqueue(request, this.#options.timeoutMs, followed);
    this.#tally.settle({ job: request.job, dueMs, sentMs, waited, doneMs: this.#clock.now(), ...outcome });
    if (id !== undefined) this.#followers.follow(id, Math.min(dueMs, sentMs));
    return { answered: outcome.status > 0 };
  }

  #giveUp({ dueMs, waited }: Due): void {
    const { job } = this.#requests.next();
    const doneMs = this.#clock.now();
    this.#tally.settle({ job, dueMs, sentMs: undefined, waited, doneMs, status: 0, code: 'unsent', jobs: 0 });
  }

  /** Close the seconds as they pass, and tell how it goes. */
  async #tell(progress: Progress, over: AbortSignal, after: () => string | undefined): Promise<void> {
    const clock = this.#clock;
    for (let second = Math.floor(clock.now() / 1000) + 1; !over.aborted; second++) {
      await clock.wait(second * 1000 - clock.now(), over);
      if (over.aborted) return;
      this.#tally.roll(clock.now());
      progress.show(this.#moment(after()));
    }
  }

  async #drain(progress: Progress, waitMs: number) {
    const over = new AbortController();
    const telling = this.#tell(progress, over.signal, () => 'waiting for the queues to empty');
    try {
      return await this.#queues.drain(waitMs, this.#enough);
    } finally {
      over.abort();
      await telling;
      progress.end();
    }
  }

  #moment(after: string | undefined) {
    const { inFlight, seconds, failed } = this.#tally;
    const { depth } = this.#queues;
    return { nowMs: this.#clock.now(), last: seconds.at(-1), inFlight, depth, failed: failed.count, after };
  }
}
