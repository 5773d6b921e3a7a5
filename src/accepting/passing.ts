/**
 * Passing entries of the journal on to their queues: one call per queue, and what to do with an entry that does not go.
 *
 * Promises: it resolves once every entry is in its queue, was there already, is cancelled, or was set aside; it rejects
 * when some are not, and everything may be passed on again. An entry that Redis refuses three times is set aside, as is
 * one whose id stands for another request: its job is a file in `set-aside/` of the journal's folder, an error in the
 * log, and a count in the metrics. Entries that come late are looked up in the ledger; while PostgreSQL is away they are
 * passed on all the same, for the worker looks again.
 */

import type { Ledger } from '../database/ledger.ts';
import { AppError, isAppError, messageOf } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import type { NumberedEntry } from '../journal/segment.ts';
import type { SetAside } from '../journal/set-aside.ts';
import { within } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import type { Queues } from '../queue/queues.ts';
import { type Breaker, isNeverSent } from '../redis/breaker.ts';
import type { AcceptedList } from './accepted-list.ts';
import { type Handover, MOST_PER_CALL } from './handover.ts';
import { handoverJobOf } from './intake.ts';

/** An entry, and whoever may still wait for it. */
export interface PassedEntry extends NumberedEntry {
  readonly ticket?: { readonly kept: boolean } | undefined;
}

export interface PassingOptions {
  readonly journal: Journal;
  readonly setAside: SetAside;
  readonly handover: Handover;
  readonly queues: Queues;
  readonly breaker: Breaker;
  readonly ledger: Ledger;
  readonly acceptedList: AcceptedList;
  readonly logger: Logger;
  readonly clock?: () => number;
}

const MOST_REFUSALS = 3;
/** Milliseconds that a look into the ledger may hold up late jobs, and for which it is left out after it did not come. */
const LEDGER_MS = 500;
const LEDGER_AWAY_MS = 2000;

export class Passing {
  readonly #options: PassingOptions;
  readonly #clock: () => number;
  /** How often Redis has refused an entry, by its number. */
  readonly #refusals = new Map<number, number>();
  /** Numbers that were set aside while the rest of their batch has yet to go. */
  readonly #aside = new Set<number>();
  #ledgerAwayUntilMs = 0;

  constructor(options: PassingOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
  }

  /**
   * Pass entries on, in order; `late`: they have waited for Redis to come back, and may have been cancelled meanwhile.
   * Resolves with the milliseconds that Redis took. Rejects with `store-unavailable` while Redis is away.
   */
  async pass(entries: readonly PassedEntry[], late: boolean): Promise<number> {
    const kept = late ? await this.#recheck(entries) : entries;
    const startedMs = this.#clock();
    await this.#handOver(kept, late);
    return this.#clock() - startedMs;
  }

  /** Pass on entries that were passed on before and are lost: whatever is known of them is in the ledger. */
  async replay(entries: readonly NumberedEntry[]): Promise<void> {
    await this.#handOver(await this.#recheck(entries), true);
  }

  async #handOver(given: readonly PassedEntry[], late: boolean): Promise<void> {
    const entries = this.#aside.size === 0 ? given : given.filter(({ number }) => !this.#aside.has(number));
    const byQueue = new Map<string, PassedEntry[]>();
    for (const each of entries) {
      const list = byQueue.get(each.entry.queue);
      if (list === undefined) byQueue.set(each.entry.queue, [each]);
      else list.push(each);
    }
    const calls: Promise<void>[] = [];
    for (const [queue, list] of byQueue) {
      for (let at = 0; at < list.length; at += MOST_PER_CALL) {
        calls.push(this.#call(queue, list.slice(at, at + MOST_PER_CALL), late));
      }
    }
    // All have ended before anybody tries again: two calls with the same jobs are never under way.
    const results = await Promise.allSettled(calls);
    refuse(results);
    if (this.#aside.size > 0) for (const { number } of given) this.#aside.delete(number);
    await this.#options.acceptedList.remove(entries.map(({ entry }) => entry.id));
  }

  async #call(queue: string, entries: readonly PassedEntry[], late: boolean): Promise<void> {
    try {
      await this.#add(queue, entries, late);
    } catch (error) {
      if (isAppError(error, 'store-unavailable')) throw error;
      await this.#oneByOne(queue, entries, late);
    }
  }

  async #add(queue: string, entries: readonly PassedEntry[], late: boolean): Promise<void> {
    const { breaker, handover } = this.#options;
    const nowMs = this.#clock();
    const jobs = entries.map(({ entry }) => handoverJobOf(entry, nowMs));
    const added = await breaker.run(() => handover.add(queue, jobs));
    for (const [index, each] of entries.entries()) {
      // A caller that still waits is told; one that was answered with 202 must not lose its job without a word.
      const answered = late || (each.ticket?.kept ?? true);
      if (answered && added[index] === false && each.entry.keyed) await this.#refuseOtherRequest(each);
    }
  }

  /** Redis refused the batch: find out which entries it was, and set aside what it has refused often enough. */
  async #oneByOne(queue: string, entries: readonly PassedEntry[], late: boolean): Promise<void> {
    const results = await Promise.allSettled(entries.map((each) => this.#add(queue, [each], late)));
    let again: unknown;
    for (const [index, each] of entries.entries()) {
      const result = results[index];
      if (result?.status !== 'rejected') {
        this.#refusals.delete(each.number);
        continue;
      }
      if (isAppError(result.reason, 'store-unavailable')) {
        again = result.reason;
        continue;
      }
      const refusals = (this.#refusals.get(each.number) ?? 0) + 1;
      this.#refusals.set(each.number, refusals);
      if (refusals < MOST_REFUSALS) again = result.reason;
      else await this.#setAside(each, result.reason);
    }
    if (again !== undefined) throw again;
  }

  /** A key that was used for another request while Redis could not tell: the first one stands. */
  async #refuseOtherRequest(each: NumberedEntry): Promise<void> {
    const { breaker, queues } = this.#options;
    const { id, queue, data } = each.entry;
    const job = await breaker.run(() => queues.get(queue).getJob(id));
    const given: { bodyHash?: string } = JSON.parse(data);
    const stands = job?.data.bodyHash;
    if (stands === undefined || given.bodyHash === undefined || stands === given.bodyHash) return;
    const detail = `The Idempotency-Key of job ${id} had been used for another request.`;
    await this.#setAside(each, new AppError('idempotency-key-reused', detail));
  }

  async #setAside(each: NumberedEntry, error: unknown): Promise<void> {
    const { setAside, journal, logger } = this.#options;
    await setAside.put(each.entry, messageOf(error));
    this.#aside.add(each.number);
    this.#refusals.delete(each.number);
    journal.settle([each.number]);
    logger.error({ jobId: each.entry.id, job: each.entry.name, err: error }, 'an accepted job was set aside');
  }

  /** Leave out what was cancelled since; the worker looks again at the rest. */
  async #recheck(entries: readonly PassedEntry[]): Promise<PassedEntry[]> {
    const cancelled = await this.#cancelled(entries.map(({ entry }) => entry.id));
    this.#options.journal.settle(entries.filter(({ entry }) => cancelled.has(entry.id)).map(({ number }) => number));
    return entries
      .filter(({ entry }) => !cancelled.has(entry.id))
      .map((each) => ({ ...each, entry: { ...each.entry, data: withRecheck(each.entry.data) } }));
  }

  async #cancelled(ids: readonly string[]): Promise<ReadonlySet<string>> {
    if (this.#clock() < this.#ledgerAwayUntilMs) return new Set();
    try {
      const away = () => new AppError('store-unavailable', 'PostgreSQL did not answer in time.');
      return await within(LEDGER_MS, this.#options.ledger.cancelledAmong(ids), away);
    } catch (error) {
      if (!isAppError(error, 'store-unavailable')) throw error;
      this.#ledgerAwayUntilMs = this.#clock() + LEDGER_AWAY_MS;
      return new Set();
    }
  }
}

/** The envelope with `recheck`: the worker looks into the ledger before it runs the job. */
function withRecheck(data: string): string {
  return data.startsWith('{"recheck":true,') ? data : `{"recheck":true,${data.slice(1)}`;
}

/** Throws what a call was rejected with; of several, the one that leaves most open. */
function refuse(results: readonly PromiseSettledResult<void>[]): void {
  const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  const reason = reasons.find((each) => !isNeverSent(each)) ?? reasons[0];
  if (reason === undefined) return;
  if (reasons.length === results.length || !isAppError(reason)) throw reason;
  // Some calls went well: what is certain of the others does not hold for all.
  throw new AppError(reason.code, reason.message, { cause: reason });
}
