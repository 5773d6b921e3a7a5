/** Waiting until nothing is under way any more: nothing waits or runs in Redis, and the journals hold nothing. */

import type { Redis } from 'ioredis';
import { messageOf } from '../../../src/errors.ts';
import { eventually } from '../../support/millrace-process.ts';
import type { Service } from './service.ts';
import { lookAtJournals, lookAtQueues } from './store-evidence.ts';

/** Looks in a row that must find nothing: what leaves one place may be on its way to the next. */
const LOOKS = 3;
const NOTE_MS = 1000;

export interface Patience {
  /** Milliseconds for which the work may not get less. */
  readonly stuckMs: number;
  /** Milliseconds for all of it. */
  readonly mostMs: number;
}

const sumOf = (counts: object) => Object.values(counts).reduce((sum: number, count: number) => sum + count, 0);

/** Undefined once it is quiet; when patience ends, what is still under way. `note` is told now and then. */
export async function isQuiet(
  service: Service,
  redis: Redis,
  { stuckMs, mostMs }: Patience,
  note: (text: string) => void,
): Promise<string | undefined> {
  let found = 'nothing was looked at';
  let before = Number.POSITIVE_INFINITY;
  let betterAtMs = service.clock.nowMs;
  let quietLooks = 0;
  let notedAtMs = Number.NEGATIVE_INFINITY;
  const look = async () => {
    try {
      const queues = await lookAtQueues(service, redis);
      // The web processes are asked only when Redis has nothing left: asking costs them something.
      const journals = sumOf(queues) === 0 ? await lookAtJournals(service) : { open: sumOf(queues) };
      const total = sumOf(queues) + sumOf(journals);
      found = JSON.stringify({ ...queues, ...journals });
      quietLooks = total === 0 ? quietLooks + 1 : 0;
      // Less than a look ago, not than ever: Redis emptied has little to do, until it gets everything back.
      if (total < before) betterAtMs = service.clock.nowMs;
      before = total;
    } catch (error) {
      found = messageOf(error);
      quietLooks = 0;
    }
    if (service.clock.nowMs - notedAtMs >= NOTE_MS) {
      note(`still under way: ${found}`);
      notedAtMs = service.clock.nowMs;
    }
    return quietLooks >= LOOKS ? 'quiet' : service.clock.nowMs - betterAtMs > stuckMs ? 'stuck' : 'busy';
  };
  const state = await eventually(look, (each) => each !== 'busy', mostMs).catch(() => 'late');
  if (state === 'quiet') return undefined;
  return `It is not quiet: ${state === 'stuck' ? `nothing got done for ${stuckMs} ms` : `after ${mostMs} ms`}, with ${found}`;
}
