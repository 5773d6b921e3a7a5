/**
 * Brings jobs from the outbox to their queues: what `millrace_enqueue` was asked for inside somebody's transaction, once
 * that has committed.
 *
 * Promises: a committed row is handed over by some running web process, within milliseconds when its NOTIFY arrives and
 * within seconds without; it goes away only after the producer has accepted it, and until then every hand-over carries
 * the same id, so it runs once in effect. Rows of one transaction are handed over in their order. A row that can never
 * be accepted is set aside with the reason, logged as an error, and holds up no other. While PostgreSQL is away, or the
 * producer can accept nothing, the rows stay, and it looks again after at most 2 s.
 */

import type { Listener } from '../database/listener.ts';
import type { OutboxEntry, OutboxRows, SettledRow } from '../database/outbox-rows.ts';
import { isAppError, messageOf } from '../errors.ts';
import { type Deadline, type Lifecycle, pause, within } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { handOver } from './outbox-handover.ts';
import type { Producer } from './producer.ts';

export interface OutboxOptions {
  readonly rows: Pick<OutboxRows, 'take' | 'find'>;
  /** Tells when there may be rows. */
  readonly listener: Pick<Listener, 'onHeard' | 'start' | 'stop'>;
  readonly producer: Pick<Producer, 'enqueue'>;
  readonly logger: Logger;
  /** Milliseconds between looks while nothing is heard. Default: 3 s. */
  readonly sweepMs?: number;
  /** Told how many rows were handed over or set aside. */
  readonly onSettled?: (outcome: 'relayed' | 'set-aside', rows: number) => void;
}

const SWEEP_MS = 3000;
/** Rows that one transaction takes. */
const MOST_ROWS = 100;
/** Milliseconds that a stop waits for the batch under way; its rows stay if it takes longer. */
const STOP_MS = 3000;
const FIRST_BACKOFF_MS = 100;
const LAST_BACKOFF_MS = 2000;

export class Outbox implements Lifecycle {
  readonly #rows: OutboxOptions['rows'];
  readonly #listener: OutboxOptions['listener'];
  readonly #producer: OutboxOptions['producer'];
  readonly #logger: Logger;
  readonly #sweepMs: number;
  readonly #onSettled: NonNullable<OutboxOptions['onSettled']>;
  readonly #stopped = new AbortController();
  #running: Promise<void> | undefined;
  /** Something was told since the last look began. */
  #woken = false;
  #bell = new AbortController();
  /** Why nothing can be handed over; empty while all is well. */
  #trouble = '';

  constructor({ rows, listener, producer, logger, sweepMs = SWEEP_MS, onSettled = () => {} }: OutboxOptions) {
    this.#rows = rows;
    this.#listener = listener;
    this.#producer = producer;
    this.#logger = logger;
    this.#sweepMs = sweepMs;
    this.#onSettled = onSettled;
    listener.onHeard(() => this.#wake());
  }

  /** A committed job that is in no queue yet. Throws `store-unavailable`. */
  find(tenant: string, id: string): Promise<OutboxEntry | undefined> {
    return this.#rows.find(tenant, id);
  }

  /** Begin to relay; waits for no store. */
  async start(): Promise<void> {
    this.#running ??= this.#run();
    await this.#listener.start();
  }

  /** Finish the batch under way and stop. What is left is another process's, or for the next start. */
  async stop(deadline: Deadline): Promise<void> {
    this.#stopped.abort();
    this.#wake();
    const late = () => new Error('still relaying at the deadline');
    await Promise.all([
      this.#listener.stop(deadline),
      within(Math.min(STOP_MS, deadline.leftMs), Promise.resolve(this.#running), late),
    ]);
  }

  async #run(): Promise<void> {
    let backoffMs = FIRST_BACKOFF_MS;
    while (!this.#stopped.signal.aborted) {
      // Before the look: what is told from here on is looked for again.
      this.#woken = false;
      const look = await this.#look();
      if (look !== 'stuck') backoffMs = FIRST_BACKOFF_MS;
      if (look === 'nothing') await this.#sleep();
      if (look !== 'stuck') continue;
      await pause(backoffMs, this.#stopped.signal);
      backoffMs = Math.min(LAST_BACKOFF_MS, backoffMs * 2);
    }
  }

  /** Take a batch and hand it over. `stuck`: a store is away, and looking again at once would not help. */
  async #look(): Promise<'something' | 'nothing' | 'stuck'> {
    try {
      const settled = await this.#rows.take(MOST_ROWS, (rows) =>
        Promise.all(rows.map((row) => handOver(this.#producer, row))),
      );
      const stuck = settled.map(({ verdict }) => verdict).find(({ kind }) => kind === 'later');
      this.#report(settled);
      this.#sayTrouble(stuck?.kind === 'later' ? stuck.why : '');
      if (stuck !== undefined) return 'stuck';
      return settled.length > 0 ? 'something' : 'nothing';
    } catch (error) {
      this.#sayTrouble(messageOf(error), isAppError(error) ? 'warn' : 'error');
      return 'stuck';
    }
  }

  #report(settled: readonly SettledRow[]): void {
    const relayed = settled.filter(({ verdict }) => verdict.kind === 'done').length;
    if (relayed > 0) this.#onSettled('relayed', relayed);
    for (const { row, verdict } of settled) {
      const of = { jobId: row.id, job: row.job, tenant: row.tenant };
      if (verdict.kind === 'put-off') this.#logger.warn({ ...of, why: verdict.why }, 'outbox row put off');
      if (verdict.kind !== 'set-aside') continue;
      this.#logger.error({ ...of, code: verdict.code, detail: verdict.detail }, 'outbox row set aside');
      this.#onSettled('set-aside', 1);
    }
  }

  /** Log trouble when it begins, changes and ends. */
  #sayTrouble(trouble: string, level: 'warn' | 'error' = 'warn'): void {
    if (trouble === this.#trouble) return;
    if (trouble === '') this.#logger.info('the outbox is relayed again');
    else this.#logger[level]({ why: trouble }, 'the outbox cannot be relayed for now; its rows stay');
    this.#trouble = trouble;
  }

  #wake(): void {
    this.#woken = true;
    this.#bell.abort();
  }

  async #sleep(): Promise<void> {
    this.#bell = new AbortController();
    if (!this.#woken) await pause(this.#sweepMs, this.#bell.signal);
  }
}
