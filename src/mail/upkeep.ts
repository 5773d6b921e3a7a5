/**
 * Keeping the ledger of mail in order: what is old is forgotten, with its files in the inbox, and mails whose job has ended
 * get an end. What is away now is done at the next run.
 */

import type { Inbox } from '../providers/inbox.ts';
import { type Expirable, type Removal, type RemovalRun, RemovalTally } from '../removal.ts';
import type { Deliveries } from './deliveries.ts';
import { type Settled, type SettlementOptions, settleDeliveries } from './settlement.ts';

const DAY_MS = 86_400_000;

export interface MailUpkeepOptions extends SettlementOptions {
  readonly deliveries: Pick<Deliveries, 'removeBefore' | 'openAfter' | 'settle'>;
  readonly inbox: Inbox;
  readonly keepDays: number;
}

export class MailUpkeep implements Expirable {
  readonly #options: MailUpkeepOptions;

  constructor(options: MailUpkeepOptions) {
    this.#options = options;
  }

  /** Give mails whose job has ended an end. */
  settle(signal: AbortSignal): Promise<Settled> {
    return settleDeliveries(this.#options, signal);
  }

  /** Remove what is older than it is kept, at most 500 at a time. `bytes` are those of the inbox. */
  async removeExpired(run: RemovalRun): Promise<Removal> {
    const { deliveries, inbox, keepDays, clock = Date.now } = this.#options;
    const until = new Date(clock() - keepDays * DAY_MS);
    const tally = new RemovalTally(run);
    for (;;) {
      const rows = await deliveries.removeBefore(until, run.dryRun);
      const files = await inbox.removeBefore(until, run.dryRun);
      const removed = rows + files.removed;
      await tally.add({ removed, bytes: files.bytes });
      if (run.dryRun || removed === 0 || tally.spent) return tally.total;
    }
  }
}
