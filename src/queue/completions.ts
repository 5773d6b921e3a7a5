/**
 * Waiting for a job to finish, for callers that hold a request open.
 *
 * Promises: nobody waits longer than they said; a caller that has gone is forgotten; an event that was missed costs at
 * most `LOOK_MS`. Listens to a queue from the first wait on. While Redis is away the look itself says so.
 */

import { QueueEvents } from 'bullmq';
import type { Deadline, Lifecycle } from '../lifecycle.ts';
import { pause } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import type { Redis } from '../redis/connections.ts';
import { FINISHED, type JobView } from './job-view.ts';

/** Milliseconds between looks while nothing is heard. */
const LOOK_MS = 2000;

export interface CompletionsOptions {
  /** A client that may block; each queue listens on a duplicate of it. */
  readonly redis: Redis;
  readonly prefix: string;
  readonly logger: Logger;
}

export class Completions implements Lifecycle {
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #logger: Logger;
  readonly #listeners = new Map<string, QueueEvents>();
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor({ redis, prefix, logger }: CompletionsOptions) {
    this.#redis = redis;
    this.#prefix = prefix;
    this.#logger = logger;
  }

  /** Look until the job has finished, `ms` have passed or the signal aborts; returns the last look. */
  async wait(
    queue: string,
    id: string,
    ms: number,
    signal: AbortSignal,
    look: () => Promise<JobView>,
  ): Promise<JobView> {
    this.#listen(queue);
    const untilMs = Date.now() + ms;
    for (;;) {
      const heard = this.#hear(id);
      try {
        const view = await look();
        const leftMs = untilMs - Date.now();
        if (FINISHED.has(view.state) || leftMs <= 0 || signal.aborted) return view;
        await pause(Math.min(leftMs, LOOK_MS), AbortSignal.any([signal, heard.signal]));
      } finally {
        heard.forget();
      }
    }
  }

  async stop(_deadline: Deadline): Promise<void> {
    for (const wake of [...this.#waiting.values()].flatMap((waiters) => [...waiters])) wake();
    await Promise.all([...this.#listeners.values()].map((listener) => listener.close()));
  }

  #listen(queue: string): void {
    if (this.#listeners.has(queue)) return;
    const listener = new QueueEvents(queue, { connection: this.#redis, prefix: this.#prefix });
    const wake = ({ jobId }: { jobId: string }) => {
      for (const waiter of this.#waiting.get(jobId) ?? []) waiter();
    };
    listener.on('completed', wake);
    listener.on('failed', wake);
    listener.on('removed', wake);
    listener.on('error', (error) => this.#logger.debug({ err: { message: error.message }, queue }, 'listener error'));
    this.#listeners.set(queue, listener);
  }

  /** A signal that aborts when something is heard of this job. */
  #hear(id: string): { signal: AbortSignal; forget(): void } {
    const heard = new AbortController();
    const wake = () => heard.abort();
    const waiters = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, waiters.add(wake));
    return {
      signal: heard.signal,
      forget: () => {
        waiters.delete(wake);
        if (waiters.size === 0) this.#waiting.delete(id);
      },
    };
  }
}
