/**
 * The relay: brings accepted jobs from the journal to their queues, in the order of the journal, on good and bad days.
 *
 * Promises: a job is answered for once it is on disk; in healthy times the answer waits up to `ANSWER_MS` for Redis, so
 * that the job can be read back at once. Batches go out while the disk still works and while more jobs come in; at most
 * two are under way. When one fails, everything from its first job on is tried again once Redis is back, after
 * `beforeResuming` has looked what Redis has lost; what does not fit in memory meanwhile is read back from the journal.
 * An entry that Redis refuses three times is set aside with an alert and holds up no other. Jobs that come late are
 * looked up in the ledger first: a cancelled one is not handed over, and the worker is told to look again.
 */

import { isAppError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import type { NumberedEntry } from '../journal/segment.ts';
import { type Deadline, type Lifecycle, pause } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { type Breaker, isNeverSent } from '../redis/breaker.ts';
import { entryOf, type Taken } from './intake.ts';
import type { Passing } from './passing.ts';
import type { PendingJobs } from './pending-jobs.ts';
import type { PreparedJob } from './prepared-job.ts';
import { RETRY_MS, type RedisReturn, untilRedisTakesJobs } from './redis-return.ts';
import { type Batch, type RelayItem, RelayLine } from './relay-line.ts';
import { RelayPace } from './relay-pace.ts';
import { ANSWER_MS, Tickets } from './tickets.ts';
import { Withdrawals } from './withdrawals.ts';

export interface RelayOptions {
  readonly journal: Journal;
  readonly passing: Passing;
  readonly breaker: Breaker;
  readonly pending: PendingJobs;
  /** Looks what Redis has lost, and hands that over, before anything new is. Tried again while it rejects. */
  readonly beforeResuming: () => Promise<void>;
  /** Told of every batch that has reached its queues. */
  readonly onHanded: (entries: readonly NumberedEntry[], atMs: number) => void;
  readonly logger: Logger;
  readonly clock?: () => number;
}

/** Milliseconds that a start waits for the first look at what Redis has lost. */
const FIRST_LOOK_MS = 1000;

export class Relay implements Lifecycle {
  readonly #journal: Journal;
  readonly #passing: Passing;
  readonly #breaker: Breaker;
  readonly #pending: PendingJobs;
  readonly #return: RedisReturn;
  readonly #onHanded: RelayOptions['onHanded'];
  readonly #logger: Logger;
  readonly #clock: () => number;
  readonly #pace = new RelayPace();
  readonly #tickets: Tickets;
  readonly #line: RelayLine;
  readonly #inFlight: Batch[] = [];
  readonly #withdrawals = new Withdrawals();
  readonly #failed: RelayItem[] = [];
  #halted: Promise<void> | undefined;
  #holds = 0;
  /** Entries below have waited for Redis to come back: somebody may have cancelled their jobs meanwhile. */
  #lateEnd = 0;
  #scheduled = false;
  #forgetBreaker: () => void = () => {};
  readonly #ended = new AbortController();
  /** Resolved when nothing is under way any more. */
  #idle: (() => void) | undefined;

  constructor(options: RelayOptions) {
    const { journal, passing, breaker, pending, beforeResuming, onHanded, logger, clock = Date.now } = options;
    this.#pending = pending;
    this.#return = { breaker, pending, beforeResuming, logger };
    this.#onHanded = onHanded;
    this.#journal = journal;
    this.#passing = passing;
    this.#breaker = breaker;
    this.#logger = logger;
    this.#clock = clock;
    this.#line = new RelayLine(journal);
    this.#tickets = new Tickets({ clock, hopeful: () => this.#hopeful() });
  }

  /** Accept a job. Throws `journal-full` or `journal-unwritable`; then nothing may be relied on. */
  take(job: PreparedJob): Promise<Taken> {
    this.#pending.refuseWhenFull();
    // First in this turn: the queue need not wait until the disk has been asked.
    this.wake();
    const entry = entryOf(job);
    const { number, group } = this.#journal.add(entry);
    this.#pending.add(entry.id, number);
    if (this.#halted !== undefined) this.#pending.fallBehind();
    const ticket = this.#tickets.issue(group, () => this.#pending.remove(group.from(group.first)));
    this.#line.append({ number, entry, handed: false, ticket });
    this.#pace.accepted();
    if (this.#line.held >= this.#pace.early) this.#pump();
    return ticket.answered;
  }

  /** Know what an earlier process has left, and begin. */
  async start(): Promise<void> {
    await this.#pending.index(this.#journal.handedEnd);
    this.#withdrawals.doubt(this.#pending.ids());
    this.#forgetBreaker = this.#breaker.onChange((state) => {
      // What Redis has lost meanwhile is handed over before anything new is.
      if (state === 'open') this.halt();
    });
    if (this.#pending.size > 0) this.#logger.warn({ jobs: this.#pending.size }, 'handing over what was left');
    this.halt();
    // While Redis answers this takes milliseconds, and the first callers find their jobs in their queues.
    await Promise.race([this.#halted, pause(FIRST_LOOK_MS, this.#ended.signal)]);
  }

  /** An entry came into the journal by itself, from another one: its job may have been cancelled since. `wake` follows. */
  takeIn({ number, entry }: NumberedEntry): void {
    this.#pending.add(entry.id, number);
    this.#withdrawals.doubt([entry.id]);
    this.#lateEnd = Math.max(this.#lateEnd, number + 1);
  }

  /** Hand over what there is while Redis takes it, then stop. What is left stays in the journal. */
  async stop(deadline: Deadline): Promise<void> {
    if (this.#ended.signal.aborted) return;
    const done = new Promise<void>((resolve) => {
      this.#idle = resolve;
      this.#tellIdle();
    });
    const enough = new AbortController();
    void done.then(() => enough.abort());
    await pause(deadline.leftMs, enough.signal);
    this.#ended.abort();
    this.#forgetBreaker();
    this.#tickets.stop();
  }

  /**
   * Do not hand over this job any more. True once that is certain: it is not in its queue and will not be. False when it
   * may be there.
   */
  async withdraw(id: string): Promise<boolean> {
    if (!this.#pending.has(id)) return false;
    this.#withdrawals.add(id);
    await this.#inFlightEnded();
    if (this.#pending.has(id) && !this.#withdrawals.isDoubtful(id)) return true;
    this.#withdrawals.takeBack(id);
    return false;
  }

  /** May this job be in its queue although no answer said so? */
  isDoubtful(id: string): boolean {
    return this.#withdrawals.isDoubtful(id);
  }

  /** A job that was withdrawn is to be handed over all the same. */
  restore(id: string): void {
    this.#withdrawals.takeBack(id);
  }

  /** Hand nothing over while `work` runs. */
  async holdWhile<T>(work: () => Promise<T>): Promise<T> {
    this.#holds += 1;
    try {
      await this.#inFlightEnded();
      return await work();
    } finally {
      this.#holds -= 1;
      this.wake();
    }
  }

  /** Is Redis likely to take a job within the time that an answer waits? */
  #hopeful(): boolean {
    if (!this.#goes || this.#line.hasGap) return false;
    const oldest = this.#inFlight[0];
    return this.#breaker.state === 'closed' && (oldest === undefined || this.#clock() - oldest.startedMs < ANSWER_MS);
  }

  async #inFlightEnded(): Promise<void> {
    await Promise.all(this.#inFlight.map(({ ended }) => ended));
  }

  get #goes(): boolean {
    return this.#halted === undefined && this.#holds === 0 && !this.#ended.signal.aborted;
  }

  /** Look, after this turn, whether there is something to hand over. */
  wake(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#pace.turned();
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#goes && this.#inFlight.length < this.#mostInFlight()) {
      const late = this.#line.first < this.#lateEnd;
      const items = this.#line.next(this.#pace.most);
      if (items.length === 0) {
        if (this.#line.hasGap) void this.#readOn();
        return;
      }
      const batch: Batch = { items, startedMs: this.#clock(), late };
      batch.ended = this.#send(batch);
    }
  }

  #mostInFlight(): number {
    const late = this.#line.first < this.#lateEnd || this.#inFlight[0]?.late === true;
    return this.#pace.mostInFlight(this.#line.held, late);
  }

  async #send(batch: Batch): Promise<void> {
    this.#inFlight.push(batch);
    try {
      this.#pace.took(await this.#passing.pass(this.#withoutWithdrawn(batch.items), batch.late));
      this.#end(batch);
      this.#onHanded(batch.items, this.#clock());
      this.#handed(batch.items);
    } catch (error) {
      if (!isAppError(error, 'store-unavailable')) {
        this.#logger.error({ err: error, jobs: batch.items.length }, 'a batch could not be handed over; trying again');
      }
      this.#pace.failed();
      this.#failed.push(...batch.items);
      if (!isNeverSent(error)) this.#withdrawals.doubt(batch.items.map(({ entry }) => entry.id));
      this.#end(batch);
      this.halt();
    }
    this.#tellIdle();
  }

  #withoutWithdrawn(items: readonly RelayItem[]): RelayItem[] {
    return items.filter(({ number, entry }) => {
      if (!this.#withdrawals.isLeftOut(entry.id)) return true;
      this.#journal.settle([number]);
      return false;
    });
  }

  #end(batch: Batch): void {
    this.#inFlight.splice(this.#inFlight.indexOf(batch), 1);
    if (this.#inFlight.length > 0 || this.#failed.length === 0) return;
    this.#line.putBack(this.#failed.splice(0));
  }

  #handed(items: readonly RelayItem[]): void {
    const again = this.#pending.remove(items);
    // Accepted twice, and the first of the two is in its queue by now.
    this.#withdrawals.doubt(again);
    this.#withdrawals.forget(items.map(({ entry }) => entry.id).filter((id) => !again.includes(id)));
    for (const { ticket } of items) ticket?.hand();
    const left = [...this.#failed, ...this.#inFlight.flatMap(({ items: [first] }) => first ?? [])];
    const handedEnd = Math.min(this.#line.first, ...left.map(({ number }) => number));
    this.#journal.handed(handedEnd);
    if (handedEnd >= this.#lateEnd) this.#pending.catchUp();
    this.wake();
  }

  async #readOn(): Promise<void> {
    try {
      await this.#line.readOn();
      // What was read may all be settled or handed over: then there is progress without a batch.
      this.#handed([]);
    } catch (error) {
      this.#logger.error({ err: error }, 'the journal could not be read; trying again');
      await pause(RETRY_MS, this.#ended.signal);
      this.wake();
    }
  }

  /** Stop handing over until Redis takes jobs again, and it is known what it has lost. */
  halt(): void {
    if (this.#ended.signal.aborted) return;
    this.#pending.fallBehind();
    this.#tickets.release();
    this.#halted ??= untilRedisTakesJobs(this.#return, this.#ended.signal).then(() => {
      this.#halted = undefined;
      this.#lateEnd = this.#journal.end;
      this.wake();
      this.#tellIdle();
    });
  }

  /** While stopping, there is nothing to wait for once all is handed over, or Redis takes nothing. */
  #tellIdle(): void {
    if (this.#idle === undefined || this.#inFlight.length > 0) return;
    if (this.#pending.size === 0 || this.#breaker.state !== 'closed' || this.#halted !== undefined) this.#idle();
  }
}
