/**
 * The BullMQ queues, one per folder in `jobs/`, over one producer connection.
 *
 * Promises: with Redis away a call fails within the client's limits and never hangs, and works again once it is back.
 * That takes `enableOfflineQueue: false` on the client and both options below: without `skipVersionCheck` a Queue made
 * while Redis is away fails for ever. The version is checked by `monitoring/store-check.ts`.
 */

import { Queue } from 'bullmq';
import { AppError } from '../errors.ts';
import type { Deadline, Lifecycle } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import type { Redis } from '../redis/connections.ts';
import type { Envelope } from './envelope.ts';

/** What a finished job returns. */
export interface Completion {
  readonly result: unknown;
  /** Id of the run that did the work of a gathered request, when another one did. */
  readonly collectedInto?: string;
}

export type MillraceQueue = Queue<Envelope, Completion, string>;

export interface QueuesOptions {
  readonly names: readonly string[];
  readonly redis: Redis;
  /** BullMQ's key prefix. */
  readonly prefix: string;
  readonly logger: Logger;
}

export class Queues implements Lifecycle {
  readonly #queues = new Map<string, MillraceQueue>();

  constructor({ names, redis, prefix, logger }: QueuesOptions) {
    for (const name of names) {
      const options = { connection: redis, prefix, skipWaitingForReady: true, skipVersionCheck: true };
      const queue: MillraceQueue = new Queue(name, options);
      queue.on('error', (error) => logger.debug({ err: { message: error.message }, queue: name }, 'queue error'));
      this.#queues.set(name, queue);
    }
  }

  get all(): readonly MillraceQueue[] {
    return [...this.#queues.values()];
  }

  /** The queue of this name. Throws `unknown-queue`. */
  get(name: string): MillraceQueue {
    const queue = this.#queues.get(name);
    if (queue !== undefined) return queue;
    throw new AppError('unknown-queue', `There is no queue "${name.slice(0, 64)}".`);
  }

  has(name: string): boolean {
    return this.#queues.has(name);
  }

  /** The connection is shared and closed by its owner: there is nothing to wait for. */
  async stop(_deadline: Deadline): Promise<void> {
    await Promise.all(this.all.map((queue) => queue.close()));
  }
}
