/** A connection to the queue Redis for as long as one command runs. */

import { once } from 'node:events';
import type { LocalConfig } from '../config.ts';
import { AppError, messageOf } from '../errors.ts';
import { within } from '../lifecycle.ts';
import { createLogger } from '../logger.ts';
import { closeRedis, connectRedis, type ScriptedRedis } from '../redis/connections.ts';
import { placeOf, spreadsOverSlots } from '../redis-address.ts';
import { storeUrl } from './terminal.ts';

const READY_MS = 3000;

/** Connect, run `work`, close whatever happens. Rejects within 3 s with the reason when Redis does not answer. */
export async function withRedis<T>(
  config: LocalConfig,
  name: string,
  work: (redis: ScriptedRedis) => Promise<T>,
): Promise<T> {
  const logger = createLogger({ level: 'silent', role: 'cli' });
  const url = storeUrl(config, 'REDIS_URL');
  const redis = connectRedis({ url, role: 'producer', name: `cli:${name}`, logger });
  try {
    // `once` rejects with the first error: nobody wants a command to try again by itself.
    await within(READY_MS, once(redis, 'ready'), () => new Error(`no answer within ${READY_MS} ms`)).catch(
      (cause: unknown) => {
        const why = reasonOf(cause).replace(/[.]$/, '');
        throw new AppError('store-unavailable', `The queue Redis at ${placeOf(url)} cannot be used: ${why}.`, {
          cause,
        });
      },
    );
    return await work(redis);
  } finally {
    await closeRedis(redis);
  }
}

/** In a person's words: a client of a Cluster only says that it has no slots. */
function reasonOf(cause: unknown): string {
  const last = cause instanceof Error && 'lastNodeError' in cause ? cause.lastNodeError : undefined;
  return last === undefined ? messageOf(cause) : `no node of the Cluster answers: ${messageOf(last)}`;
}

/** What stands before the keys of one command: on a Cluster also a hash tag, since one transaction uses them all. */
export function stepPrefix(config: LocalConfig): string {
  const { KEY_PREFIX } = config;
  return spreadsOverSlots(storeUrl(config, 'REDIS_URL'), KEY_PREFIX) ? `${KEY_PREFIX}{cli}:` : KEY_PREFIX;
}
