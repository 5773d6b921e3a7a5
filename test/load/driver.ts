/**
 * When a request is sent, and how many at once: open loop by a schedule, closed loop as fast as answers come.
 *
 * Promises: never more requests in flight than connections; in the open loop each time of the schedule is told once,
 * as sent or as never sent, and a late answer delays no time that comes after it: a request that finds every connection
 * busy is still due when it was due. When the signal aborts nothing more is sent.
 */

import { breathe } from '../../src/lifecycle.ts';

/** The clock of a load: milliseconds since its start. */
export interface LoadClock {
  now(): number;
  /** Wait `ms`, or less when the signal aborts. Never rejects. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

/** A request as the driver hands it on. */
export interface Due {
  /** When it should have been sent. */
  readonly dueMs: number;
  /** Every connection was busy when it was due. */
  readonly waited: boolean;
}

export interface OpenLoop {
  /** Due times in milliseconds, ascending. */
  readonly schedule: Iterable<number>;
  readonly connections: number;
  /** Milliseconds that a request waits for a connection: its caller has gone then. */
  readonly patienceMs: number;
  readonly clock: LoadClock;
  readonly signal: AbortSignal;
  /** Send one request; resolves when it is answered or given up, in bounded time, and never rejects. */
  send(due: Due): Promise<unknown>;
  /** No connection took this request within its patience, or before the signal. */
  giveUp(due: Due): void;
}

/** How much early a request may be sent, in milliseconds: timers are no finer. Its latency counts from the sending then. */
const EARLY_MS = 1;
/** Requests handled in one turn before the event loop gets its own. */
const MOST_IN_A_TURN = 256;

/** Send requests at the times of the schedule. Resolves when all are answered or given up. */
export async function driveOpen(loop: OpenLoop): Promise<void> {
  const { schedule, connections, patienceMs, clock, signal } = loop;
  const slots = new Slots(connections);
  const wake = () => slots.wake();
  signal.addEventListener('abort', wake);
  let inTurn = 0;
  /** When a request last had to wait for a connection. */
  let busyUntilMs = 0;
  for (const dueMs of schedule) {
    const earlyMs = dueMs - clock.now();
    if (earlyMs > EARLY_MS) {
      inTurn = 0;
      await clock.wait(earlyMs, signal);
    }
    if (signal.aborted && dueMs > clock.now()) break;
    while (slots.full && !signal.aborted) {
      inTurn = 0;
      await slots.released();
      busyUntilMs = clock.now();
    }
    const waited = dueMs < busyUntilMs;
    if (signal.aborted || clock.now() - dueMs >= patienceMs) loop.giveUp({ dueMs, waited });
    else slots.fill(loop.send({ dueMs, waited }));
    inTurn += 1;
    if (inTurn % MOST_IN_A_TURN === 0) await breathe();
  }
  signal.removeEventListener('abort', wake);
  await slots.emptied();
}

export interface ClosedLoop {
  readonly connections: number;
  readonly durationMs: number;
  /** Connections begin one after the other over this long. */
  readonly rampMs: number;
  readonly clock: LoadClock;
  readonly signal: AbortSignal;
  /** As in the open loop; says whether there was an answer. */
  send(due: Due): Promise<{ readonly answered: boolean }>;
}

/** Milliseconds that a connection rests when it got no answer: a service that is away is not dialled in a hot loop. */
const REST_MS = 100;

/** Let each connection send its next request when the one before is answered. Resolves when all are answered. */
export async function driveClosed(loop: ClosedLoop): Promise<void> {
  const { connections, durationMs, rampMs, clock, signal } = loop;
  const one = async (index: number) => {
    if (rampMs > 0) await clock.wait((rampMs * index) / connections, signal);
    while (!signal.aborted && clock.now() < durationMs) {
      const { answered } = await loop.send({ dueMs: clock.now(), waited: false });
      if (!answered) await clock.wait(REST_MS, signal);
    }
  };
  await Promise.all(Array.from({ length: connections }, (_, index) => one(index)));
}

/** How many requests are in flight, of how many that may be. */
class Slots {
  readonly #most: number;
  #used = 0;
  #waiting: (() => void)[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  get full(): boolean {
    return this.#used >= this.#most;
  }

  fill(work: Promise<unknown>): void {
    this.#used += 1;
    void work.finally(() => {
      this.#used -= 1;
      this.wake();
    });
  }

  /** Resolves at the next release, or at the next `wake`. */
  released(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async emptied(): Promise<void> {
    while (this.#used > 0) await this.released();
  }
}
