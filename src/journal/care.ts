/**
 * Keeping a journal's folder in order: shows that its process lives, writes its notes, drops finished files, takes in
 * what processes that have ended have left, and jobs that were set aside and may try again.
 *
 * Promises: what an orphan holds is on disk here before the orphan is removed; a job that both hold is one job.
 */

import { rm } from 'node:fs/promises';
import { Deadline } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import type { Claim } from './claim.ts';
import { Journal } from './journal.ts';
import type { Seal } from './seal.ts';
import type { NumberedEntry } from './segment.ts';
import type { SetAside } from './set-aside.ts';

export interface CareOptions {
  readonly claim: Claim;
  readonly journal: Journal;
  readonly seal: Seal | undefined;
  readonly setAside: SetAside;
  /** Told of every entry that is taken in. */
  readonly adopted: (entry: NumberedEntry) => void;
  /** Told of every orphan that is gone. */
  readonly emptied: (folder: string) => Promise<void>;
  readonly logger: Logger;
}

/** Milliseconds between two signs of life. */
const SHOW_MS = 5000;
/** Milliseconds for closing an orphan that was read. */
const STOP_MS = 1000;

export class Care {
  readonly #options: CareOptions;
  #shownMs = 0;
  /** Orphans that are ours by name and not emptied yet. */
  readonly #taken: string[] = [];

  constructor(options: CareOptions) {
    this.#options = options;
  }

  /** What has to be done now and then. Rejects when the disk refuses; doing it again is harmless. */
  async tend(): Promise<void> {
    const { claim, journal } = this.#options;
    const due = Date.now() - this.#shownMs >= SHOW_MS;
    if (due) await claim.show();
    await journal.dropFinished();
    await journal.note();
    await journal.compact();
    if (!due) return;
    this.#shownMs = Date.now();
    await this.adopt();
    await this.#takeBack();
  }

  /** Take in every orphan. */
  async adopt(): Promise<void> {
    const { claim } = this.#options;
    for (;;) {
      const folder = this.#taken[0] ?? (await claim.takeOrphan());
      if (folder === undefined) return;
      if (this.#taken.length === 0) this.#taken.push(folder);
      await this.#takeIn(folder);
      this.#taken.shift();
    }
  }

  /** Take in jobs that were set aside and may try again. */
  async #takeBack(): Promise<void> {
    const { journal, setAside, adopted } = this.#options;
    for (const entry of await setAside.returned()) {
      await journal.adopt([{ number: 0, entry, handed: false }], adopted);
      await setAside.tookBack(entry.id);
    }
  }

  async #takeIn(folder: string): Promise<void> {
    const { journal, seal, adopted, emptied, logger } = this.#options;
    const stillOurs = async () => {};
    const left = await Journal.open({ folder, seal, mostBytes: 0, stillOurs, logger });
    let jobs = 0;
    try {
      for (let from = 0; from < left.end; ) {
        const { entries, next } = await left.read(from);
        const handedEnd = left.handedEnd;
        const taken = entries.map((each) => ({ ...each, handed: each.handed || each.number < handedEnd }));
        await journal.adopt(taken, adopted);
        jobs += entries.length;
        from = next;
      }
    } finally {
      await left.stop(Deadline.in(STOP_MS));
    }
    await rm(folder, { recursive: true, force: true });
    await emptied(folder);
    if (jobs > 0) logger.warn({ jobs }, 'took in the journal of a process that has ended');
  }
}
