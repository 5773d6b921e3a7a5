/**
 * Where a prepared job goes once it is accepted: the port, and the way without a journal.
 *
 * `relay.ts` is the way of the web process: the journal first, Redis beside it. `DirectIntake` is the way of a worker,
 * whose own job is tried again when Redis is away: it rejects with `store-unavailable`, and keeps nothing.
 */

import type { JournalEntry } from '../journal/entry.ts';
import type { Breaker } from '../redis/breaker.ts';
import { type Handover, type HandoverJob, MOST_PER_CALL } from './handover.ts';
import type { PreparedJob } from './prepared-job.ts';

/** `handed`: it is in its queue. `kept`: it is safe, and will be. */
export type Taken = 'handed' | 'kept';

/** Takes responsibility for prepared jobs. The same id twice is harmless. */
export interface Intake {
  /** Resolves once the job is safe; throws or rejects when it is not, though it may have reached its queue all the same. */
  take(job: PreparedJob): Promise<Taken>;
  /** The entry of a job that is not in its queue yet, when it is known here. */
  kept(tenant: string, id: string): Promise<JournalEntry | undefined>;
}

/** A job as the journal keeps it. */
export function entryOf({ id, definition, envelope, requestedAt, attempts, priority }: PreparedJob): JournalEntry {
  return {
    id,
    queue: definition.queue,
    name: definition.name,
    tenant: envelope.tenant,
    data: JSON.stringify(envelope),
    requestedAt,
    runAt: envelope.runAt ?? 0,
    priority,
    attempts,
    keyed: envelope.bodyHash !== undefined,
  };
}

/** A job as its queue gets it. A time that has passed is no delay any more. */
export function handoverJobOf(entry: JournalEntry, nowMs: number): HandoverJob {
  const { id, name, data, requestedAt, runAt, priority, attempts } = entry;
  const delayMs = runAt > nowMs ? Math.max(0, runAt - requestedAt) : 0;
  return { id, name, data, timestamp: requestedAt, delayMs, priority, attempts };
}

/** Calls that may be under way for one queue: while two are, the next batch gathers. */
const MOST_IN_FLIGHT = 2;

interface Waiting {
  readonly job: HandoverJob;
  readonly resolve: (taken: Taken) => void;
  readonly reject: (error: unknown) => void;
}

interface Line {
  waiting: Waiting[];
  inFlight: number;
  scheduled: boolean;
}

/** Hands jobs to Redis in batches: those of one turn of the event loop share a call. */
export class DirectIntake implements Intake {
  readonly #handover: Handover;
  readonly #breaker: Breaker;
  readonly #clock: () => number;
  readonly #lines = new Map<string, Line>();

  constructor({ handover, breaker, clock = Date.now }: { handover: Handover; breaker: Breaker; clock?: () => number }) {
    this.#handover = handover;
    this.#breaker = breaker;
    this.#clock = clock;
  }

  /** Resolves `handed`; rejects with `store-unavailable` while Redis is away. */
  take(prepared: PreparedJob): Promise<Taken> {
    const job = handoverJobOf(entryOf(prepared), this.#clock());
    const queue = prepared.definition.queue;
    const line = this.#lines.get(queue) ?? { waiting: [], inFlight: 0, scheduled: false };
    this.#lines.set(queue, line);
    return new Promise((resolve, reject) => {
      line.waiting.push({ job, resolve, reject });
      if (line.scheduled || line.inFlight >= MOST_IN_FLIGHT) return;
      line.scheduled = true;
      setImmediate(() => {
        line.scheduled = false;
        this.#pump(queue, line);
      });
    });
  }

  /** Nothing is kept here. */
  async kept(): Promise<undefined> {
    return undefined;
  }

  #pump(queue: string, line: Line): void {
    while (line.waiting.length > 0 && line.inFlight < MOST_IN_FLIGHT) void this.#hand(queue, line);
  }

  async #hand(queue: string, line: Line): Promise<void> {
    const batch = line.waiting.splice(0, MOST_PER_CALL);
    line.inFlight += 1;
    try {
      const jobs = batch.map(({ job }) => job);
      await this.#breaker.run(() => this.#handover.add(queue, jobs));
      for (const { resolve } of batch) resolve('handed');
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      line.inFlight -= 1;
      this.#pump(queue, line);
    }
  }
}
