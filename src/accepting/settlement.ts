/**
 * What becomes of jobs after they were handed over: entries are settled once their job has reached a final state, and
 * handed over again when Redis has lost them.
 *
 * Promises: an entry is needed until its job is completed, dead, cancelled or removed, and looked after that long. What a
 * restart, a failover or an emptied Redis has lost is found by the mark that Redis should remember (`redis-memory.ts`),
 * and is handed over again before anything new is. A job that is gone while the mark stands was removed on purpose. While
 * Redis is away nothing is decided.
 */

import { z } from 'zod';
import type { Journal } from '../journal/journal.ts';
import type { NumberedEntry, NumberedId } from '../journal/segment.ts';
import type { Logger } from '../logger.ts';
import type { Breaker } from '../redis/breaker.ts';
import { type Handover, MOST_LOOKED_AT, type Whereabouts } from './handover.ts';
import type { Passing } from './passing.ts';
import { RecentJobs } from './recent-jobs.ts';
import type { Mark, RedisMemory, RedisSight, Remembered } from './redis-memory.ts';
import type { Relay } from './relay.ts';
import { Timeline } from './timeline.ts';

export interface SettlementOptions {
  readonly journal: Journal;
  readonly relay: Relay;
  readonly passing: Passing;
  readonly handover: Handover;
  readonly memory: RedisMemory;
  readonly breaker: Breaker;
  readonly logger: Logger;
  readonly clock?: () => number;
}

/** Milliseconds after which a handed-over job is looked after: most are done by then. */
const LOOK_AFTER_MS = 3000;
/** Milliseconds that one pass may take, and pages without news after which it stops. */
const PASS_MS = 300;
const DRY_PAGES = 3;

export class Settlement {
  /** Told of every batch that was handed over. */
  readonly recent = new RecentJobs();
  readonly #options: SettlementOptions;
  readonly #clock: () => number;
  readonly #timeline = new Timeline();
  #last: RedisSight | undefined;
  #verifying: Promise<void> | undefined;
  /** How often jobs were handed over again. */
  #round = 0;
  /** From where on entries have to be handed over again, as long as that has not succeeded. */
  #owedFrom: number | undefined;
  /** As that, for entries that came since the last look began. */
  #unverifiedFrom: number | undefined;
  /** Where the look at entries that take their time goes on. */
  #cursor = 0;

  constructor(options: SettlementOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
    this.#last = sightOf(options.journal.memo);
  }

  /** Find out what Redis has lost and hand it over again. Rejects with `store-unavailable` while Redis is away. */
  verify(): Promise<void> {
    this.#verifying ??= this.#verify().finally(() => {
      this.#verifying = undefined;
    });
    return this.#verifying;
  }

  /** Settle what has reached its end. Rejects with `store-unavailable` while Redis is away. */
  async pass(): Promise<void> {
    const round = this.#round;
    const untilMs = this.#clock() + PASS_MS;
    const end = this.#timeline.numberAt(this.#clock() - LOOK_AFTER_MS);
    const gone: number[] = [];
    await this.#lookAtRecent(untilMs, gone);
    await this.#walk(0, end, untilMs, 1, gone);
    this.#cursor = await this.#walk(this.#cursor, end, untilMs, DRY_PAGES, gone);
    if (gone.length === 0) return;
    // Gone on purpose, unless Redis has been emptied or replaced since it was last looked at.
    const remembered = await this.#look();
    const unsure = this.#owedFrom !== undefined || this.#unverifiedFrom !== undefined || round !== this.#round;
    if (remembered.kind !== 'all' || unsure) return;
    this.#options.journal.settle(gone);
  }

  /** These entries came from another journal: whether Redis still has their jobs was never looked at from here. */
  owe(fromNumber: number): void {
    this.#unverifiedFrom = Math.min(fromNumber, this.#unverifiedFrom ?? fromNumber);
  }

  async #verify(): Promise<void> {
    const remembered = await this.#look();
    const lostFrom = this.#lostFrom(remembered);
    // Taken over before anything is waited for: what is owed from here on is for the next look.
    const owed = [lostFrom, this.#owedFrom, this.#unverifiedFrom].filter((number) => number !== undefined);
    this.#unverifiedFrom = undefined;
    if (owed.length === 0) return;
    this.#owedFrom = Math.min(...owed);
    const { journal, relay, memory, logger } = this.#options;
    // Should all be lost again while it is handed over, the next look finds another mark than this one.
    const begun = this.#mark();
    await memory.put(begun);
    const from = this.#owedFrom;
    const lost = await relay.holdWhile(() => this.#replay(from, journal.handedEnd));
    this.#owedFrom = undefined;
    this.#saw({ server: remembered.sight.server, mark: begun });
    this.#round += 1;
    // A replica that lags may lack what was handed over again just now.
    this.#timeline.rewind(from);
    this.#timeline.note(this.#clock(), begun.end);
    if (lost > 0) logger.warn({ jobs: lost }, 'handed over again what Redis had lost');
  }

  /** From which number on entries may be lost; undefined when none is. */
  #lostFrom(remembered: Remembered): number | undefined {
    switch (remembered.kind) {
      case 'all':
        return undefined;
      case 'until':
        return this.#timeline.numberAt(remembered.sinceMs);
      case 'nothing':
        return 0;
    }
  }

  #mark(): Mark {
    return { end: this.#options.journal.handedEnd, atMs: this.#clock() };
  }

  async #look() {
    const mark = this.#mark();
    const remembered = await this.#options.memory.look(this.#last, mark);
    if (remembered.kind === 'all') {
      this.#saw(remembered.sight);
      this.#timeline.note(mark.atMs, mark.end);
    }
    return remembered;
  }

  /** Remembered over a restart, too: what was removed on purpose must not come back with the next process. */
  #saw(sight: RedisSight): void {
    this.#last = sight;
    this.#options.journal.memo = JSON.stringify(sight);
  }

  /** Look at jobs that were handed over a moment ago. */
  async #lookAtRecent(untilMs: number, gone: number[]): Promise<void> {
    const beforeMs = this.#clock() - LOOK_AFTER_MS;
    while (this.#clock() < untilMs) {
      const jobs = this.recent.take(beforeMs, MOST_LOOKED_AT);
      if (jobs.length === 0) return;
      await this.#lookAt(jobs, gone);
    }
  }

  /** Look at open entries from a number on until there is nothing new; returns where to go on, 0 after the last. */
  async #walk(from: number, end: number, untilMs: number, dryPages: number, gone: number[]): Promise<number> {
    const { journal } = this.#options;
    let dry = 0;
    let at = from;
    while (at < end && dry < dryPages && this.#clock() < untilMs) {
      const { entries, next } = await journal.list(at);
      const news = await this.#lookAt(
        entries.filter(({ number }) => number < end),
        gone,
      );
      if (!news) dry += 1;
      at = next;
    }
    return at >= end ? 0 : at;
  }

  /** Settle what is finished and note what is gone; false when there was neither. */
  async #lookAt(jobs: readonly NumberedId[], gone: number[]): Promise<boolean> {
    const looks = await this.#whereabouts(jobs);
    const finished = jobs.filter((_each, index) => looks[index] === 'finished').map(({ number }) => number);
    const missing = jobs.filter((_each, index) => looks[index] === 'missing').map(({ number }) => number);
    this.#options.journal.settle(finished);
    gone.push(...missing);
    return finished.length + missing.length > 0;
  }

  /** Hand over again what is missing: first what was rewritten, for it is older than its numbers say. */
  async #replay(from: number, end: number): Promise<number> {
    const rewritten = await this.#replayWhere(from, ({ handed }) => handed);
    return rewritten + (await this.#replayWhere(from, ({ handed, number }) => !handed && number < end));
  }

  async #replayWhere(from: number, chosen: (entry: NumberedEntry) => boolean): Promise<number> {
    const { journal, passing } = this.#options;
    let lost = 0;
    for (let at = from; at < journal.end; ) {
      const { entries, next } = await journal.read(at);
      const some = entries.filter(chosen);
      const looks = await this.#whereabouts(some.map(({ number, entry }) => ({ number, ...entry, handed: true })));
      const missing = some.filter((_each, index) => looks[index] === 'missing');
      for (let index = 0; index < missing.length; index += MOST_LOOKED_AT) {
        await passing.replay(missing.slice(index, index + MOST_LOOKED_AT));
      }
      lost += missing.length;
      at = next;
    }
    return lost;
  }

  async #whereabouts(entries: readonly NumberedId[]): Promise<Whereabouts[]> {
    const { breaker, handover } = this.#options;
    const looks = new Array<Whereabouts>(entries.length).fill('open');
    for (const [queue, indexes] of groupByQueue(entries)) {
      for (let at = 0; at < indexes.length; at += MOST_LOOKED_AT) {
        const some = indexes.slice(at, at + MOST_LOOKED_AT);
        const found = await breaker.run(() =>
          handover.look(
            queue,
            some.map((index) => entries[index]?.id ?? ''),
          ),
        );
        for (const [place, index] of some.entries()) looks[index] = found[place] ?? 'open';
      }
    }
    return looks;
  }
}

/** Indexes of the entries of each queue. */
function groupByQueue(entries: readonly NumberedId[]): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  for (const [index, { queue }] of entries.entries()) {
    const group = groups.get(queue);
    if (group === undefined) groups.set(queue, [index]);
    else group.push(index);
  }
  return groups;
}

const sightSchema = z.object({ server: z.string(), mark: z.object({ end: z.number(), atMs: z.number() }) });

/** What an earlier process has noted; undefined when it is not to be read: then everything is looked at. */
function sightOf(memo: string): RedisSight | undefined {
  if (memo === '') return undefined;
  try {
    return sightSchema.parse(JSON.parse(memo));
  } catch {
    // A note that was cut short says nothing.
    return undefined;
  }
}
