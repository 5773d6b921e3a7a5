/**
 * Keeping the ledger of mail in order: what is old is forgotten, with its files in the inbox, and mails whose job has ended
 * get an end. What is away now is done at the next run.
 */

import type { Inbox } from '../providers/inbox.ts';
import type { Deliveries } from './deliveries.ts';
import { type Settled, type SettlementOptions, settleDeliveries } from './settlement.ts';

const DAY_MS = 86_400_000;

export interface MailUpkeepOptions extends SettlementOptions {
  readonly deliveries: Pick<Deliveries, 'removeBefore' | 'openAfter' | 'settle'>;
  readonly inbox: Inbox;
  readonly keepDays: number;
}

export class MailUpkeep {
  readonly #options: MailUpkeepOptions;

  constructor(options: MailUpkeepOptions) {
    this.#options = options;
  }

  /** Give mails whose job has ended an end. */
  settle(signal: AbortSignal): Promise<Settled> {
    return settleDeliveries(this.#options, signal);
  }

  /** Remove what is older than it is kept, at most 500 at a time. `bytes` are those of the inbox. */
  async removeExpired({ dryRun, signal }: { dryRun: boolean; signal: AbortSignal }) {
    const { deliveries, inbox, keepDays, clock = Date.now } = this.#options;
    const until = new Date(clock() - keepDays * DAY_MS);
    let removed = 0;
    let bytes = 0;
    for (;;) {
      signal.throwIfAborted();
      const rows = await deliveries.removeBefore(until, dryRun);
      const files = await inbox.removeBefore(until, dryRun);
      removed += rows + files.removed;
      bytes += files.bytes;
      if (dryRun || (rows === 0 && files.removed === 0)) return { removed, bytes };
    }
  }
}
