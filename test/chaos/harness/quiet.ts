/** Waiting until nothing is under way any more: nothing waits or runs in Redis, and the journals hold nothing. */

import type { Redis } from 'ioredis';
import { messageOf } from '../../../src/errors.ts';
import { eventually } from '../../support/millrace-process.ts';
import type { Service } from './service.ts';
import { lookForUnfinished, totalOf } from './store-evidence.ts';

/** Looks in a row that must find nothing: what leaves one place may be on its way to the next. */
const LOOKS = 3;

/** Undefined once it is quiet; after `ms`, what is still under way. */
export async function isQuiet(service: Service, redis: Redis, ms: number): Promise<string | undefined> {
  let found = 'nothing was looked at';
  let quietLooks = 0;
  const look = async () => {
    try {
      const unfinished = await lookForUnfinished(service, redis);
      found = JSON.stringify(unfinished);
      quietLooks = totalOf(unfinished) === 0 ? quietLooks + 1 : 0;
    } catch (error) {
      found = messageOf(error);
      quietLooks = 0;
    }
    return quietLooks;
  };
  try {
    await eventually(look, (looks) => looks >= LOOKS, ms);
    return undefined;
  } catch {
    return `It is not quiet after ${ms} ms: ${found}`;
  }
}
