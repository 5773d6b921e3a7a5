/**
 * What happened, counted: over the whole run, for each job, and second by second.
 *
 * Promises: every request that was due is counted once, as accepted or failed, so that the sums agree; a time belongs
 * to the second in which the answer came; memory grows by one small row a second and with nothing else.
 */

import { Histogram } from './histogram.ts';

/** What came of one request. */
export interface Settled {
  readonly job: string;
  /** When it should have been sent; milliseconds since the start, as all times here. */
  readonly dueMs: number;
  /** Undefined: it never was. */
  readonly sentMs: number | undefined;
  /** Every connection was busy when it was due. */
  readonly waited: boolean;
  readonly doneMs: number;
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** Why it failed; undefined: it was accepted. */
  readonly code: string | undefined;
  /** Jobs that were accepted with it; of a bulk request that failed in part, those that were. */
  readonly jobs: number;
  /** What the service said about a failure. */
  readonly detail?: string | undefined;
}

/** How many jobs the mixed queues hold. */
export interface Depth {
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
}

/** One second of the run, from `second` to `second + 1` after its start. */
export interface Second {
  readonly second: number;
  /** Requests that should have been sent in it. */
  readonly due: number;
  /** Requests that were sent in it. */
  readonly sent: number;
  readonly accepted: number;
  readonly acceptedJobs: number;
  readonly failed: number;
  /** Failures by code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Of the requests that ended in it; null when none did. */
  readonly latencyMs: { readonly p50: number; readonly p90: number; readonly p99: number; readonly max: number } | null;
  /** Most requests that were in flight at once in it. */
  readonly inFlight: number;
  /** The last look at the queues in it; null when there was none. */
  readonly depth: Depth | null;
}

/** The failures of one code. */
export interface ErrorCount {
  readonly code: string;
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  readonly count: number;
  /** What the service said the first time. */
  readonly detail: string | null;
}

/** Codes are the service's words: beyond this many they are counted together. */
const MOST_CODES = 50;
const OTHER_CODE = 'other-codes';

type Growing = { -readonly [K in keyof Second]: Second[K] } & { errors: Record<string, number> };

class JobTally {
  requests = 0;
  accepted = 0;
  acceptedJobs = 0;
  readonly latency = new Histogram();
}

export class Tally {
  readonly all = new Histogram();
  readonly accepted = new Histogram();
  readonly failed = new Histogram();
  /** From the sending to the answer, whatever was due when. */
  readonly service = new Histogram();
  /** How late requests were sent although a connection was free: our own slowness, not the service's. */
  readonly lag = new Histogram();
  readonly jobs = new Map<string, JobTally>();
  readonly statuses = new Map<number, number>();
  readonly #errors = new Map<string, { status: number; count: number; detail: string | null }>();
  readonly #seconds: Growing[] = [];
  /** Of the second that is not over. */
  readonly #latency = new Histogram();
  /** The second that is not over. */
  #current = 0;
  #inFlight = 0;
  due = 0;
  sent = 0;
  acceptedJobs = 0;
  waited = 0;
  /** When the last accepted answer came; 0 when none did. */
  lastAcceptedMs = 0;

  get inFlight(): number {
    return this.#inFlight;
  }

  get unsent(): number {
    return this.due - this.sent;
  }

  /** Every second that is over. */
  get seconds(): readonly Second[] {
    return this.#seconds.slice(0, this.#current);
  }

  /** Failures by code, most frequent first. */
  get errors(): ErrorCount[] {
    return [...this.#errors].map(([code, rest]) => ({ code, ...rest })).sort((a, b) => b.count - a.count);
  }

  /** A request is about to be sent. */
  send(dueMs: number, sentMs: number, waited: boolean): void {
    this.roll(sentMs);
    this.sent += 1;
    this.#inFlight += 1;
    const second = this.#at(sentMs);
    second.sent += 1;
    second.inFlight = Math.max(second.inFlight, this.#inFlight);
    if (!waited) this.lag.record(sentMs - dueMs);
  }

  /** A request has ended, or was never sent. */
  settle({ job, dueMs, sentMs, waited, doneMs, status, code, jobs, detail }: Settled): void {
    this.roll(doneMs);
    const second = this.#at(doneMs);
    // What was sent a moment before it was due counts from the sending.
    const latencyMs = doneMs - Math.min(dueMs, sentMs ?? dueMs);
    this.due += 1;
    this.#at(dueMs).due += 1;
    if (waited) this.waited += 1;
    if (sentMs !== undefined) {
      this.#inFlight -= 1;
      this.service.record(doneMs - sentMs);
    }
    for (const histogram of [this.all, this.#latency, code === undefined ? this.accepted : this.failed]) {
      histogram.record(latencyMs);
    }
    if (status > 0) this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    const ofJob = this.#job(job);
    ofJob.requests += 1;
    ofJob.latency.record(latencyMs);
    if (jobs > 0) {
      second.acceptedJobs += jobs;
      ofJob.acceptedJobs += jobs;
      this.acceptedJobs += jobs;
      this.lastAcceptedMs = doneMs;
    }
    if (code === undefined) {
      second.accepted += 1;
      ofJob.accepted += 1;
    } else {
      second.failed += 1;
      this.#fail(second, code, status, detail ?? null);
    }
  }

  /** The queues were looked at. */
  look(atMs: number, depth: Depth): void {
    this.roll(atMs);
    this.#at(atMs).depth = depth;
  }

  /** Close every second that is over at `nowMs`. Times come in order. */
  roll(nowMs: number): void {
    const now = Math.floor(nowMs / 1000);
    while (this.#current < now) {
      const second = this.#at(this.#current * 1000);
      second.latencyMs = this.#latencyOfSecond();
      this.#current += 1;
      // What is still in flight is so in the next second too.
      this.#at(this.#current * 1000).inFlight = this.#inFlight;
    }
  }

  /** Close the last second too, whole or not. */
  end(nowMs: number): void {
    this.roll(Math.ceil(nowMs / 1000) * 1000);
  }

  #latencyOfSecond(): Second['latencyMs'] {
    const found = this.#latency.percentiles;
    this.#latency.clear();
    return found === undefined ? null : { p50: found.p50, p90: found.p90, p99: found.p99, max: found.max };
  }

  #at(ms: number): Growing {
    const index = Math.max(0, Math.floor(ms / 1000));
    for (let second = this.#seconds.length; second <= index; second++) {
      this.#seconds.push({
        second,
        due: 0,
        sent: 0,
        accepted: 0,
        acceptedJobs: 0,
        failed: 0,
        errors: {},
        latencyMs: null,
        inFlight: 0,
        depth: null,
      });
    }
    const found = this.#seconds[index];
    if (found === undefined) throw new RangeError(`There is no second ${index}.`);
    return found;
  }

  #job(name: string): JobTally {
    const known = this.jobs.get(name);
    if (known !== undefined) return known;
    const made = new JobTally();
    this.jobs.set(name, made);
    return made;
  }

  #fail(second: Growing, given: string, status: number, detail: string | null): void {
    const code = this.#errors.has(given) || this.#errors.size < MOST_CODES ? given : OTHER_CODE;
    const known = this.#errors.get(code);
    if (known === undefined) this.#errors.set(code, { status, count: 1, detail });
    else known.count += 1;
    second.errors[code] = (second.errors[code] ?? 0) + 1;
  }
}
