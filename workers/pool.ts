/**
 * The pool of one queue in one process: what takes its jobs, starts, stops and is replaced.
 *
 * Promises: a job whose worker dies is taken by another within 10 s; being taken over counts against no job; on stop
 * no new job is taken, running ones get until shortly before the deadline and are then put back, available at once and
 * with no attempt spent. While Redis is away the pool waits for it. A pool that has gone deaf can be given a new
 * consumer in place; jobs that run are not touched by that.
 */

import { AppError } from '../src/errors.ts';
import { type Deadline, type Lifecycle, within } from '../src/lifecycle.ts';
import { Attempts, type AttemptsOptions, type Running } from './attempts.ts';
import { Consumer, type ConsumerOptions } from './consumer.ts';
import type { Watched } from './watchdog.ts';

export interface PoolOptions
  extends Pick<ConsumerOptions, 'queue' | 'row' | 'connect' | 'prefix' | 'keep' | 'logger'>,
    Pick<AttemptsOptions, 'tools' | 'measure'> {}

/** Milliseconds before the deadline at which attempts still running are put back. */
const PUT_BACK_MS = 3000;
/** Milliseconds that a replaced consumer may take to let go of its connections. */
const RETIRE_MS = 5000;

/** A consumer and what it has taken. */
interface Taker {
  readonly consumer: Consumer;
  readonly running: Running;
}

export class Pool implements Lifecycle, Watched {
  readonly queue: string;
  readonly #attempts: Attempts;
  readonly #consume: () => Taker;
  readonly #retired = new Map<Taker, Promise<void>>();
  #taker: Taker;
  #started = false;
  #stopped: Promise<void> | undefined;

  constructor({ tools, measure, ...options }: PoolOptions) {
    this.queue = options.queue;
    const logger = options.logger.child({ queue: this.queue });
    this.#attempts = new Attempts({ queue: this.queue, tools, logger, measure });
    this.#consume = () => {
      const running: Running = new Map();
      const consumer = new Consumer({
        ...options,
        logger,
        running,
        process: (job, token) => this.#attempts.run(running, job, token),
        lost: (ids) => lose(running, ids),
        backoff: (name, made) => this.#attempts.backoffMs(name, made),
      });
      return { consumer, running };
    };
    this.#taker = this.#consume();
  }

  async start(): Promise<void> {
    if (this.#started) return;
    this.#started = true;
    this.#taker.consumer.start();
  }

  stop(deadline: Deadline): Promise<void> {
    this.#stopped ??= this.#stop(deadline);
    return this.#stopped;
  }

  get running(): number {
    return this.#takers.reduce((sum, { running }) => sum + running.size, 0);
  }

  get taken(): number {
    return this.#attempts.begun;
  }

  get ended(): boolean {
    return this.#taker.consumer.ended;
  }

  checkConnection(): void {
    this.#taker.consumer.checkConnection();
  }

  rebuild(): void {
    if (this.#stopped !== undefined) return;
    const old = this.#taker;
    this.#retired.set(
      old,
      old.consumer.retire(RETIRE_MS).finally(() => this.#retired.delete(old)),
    );
    this.#taker = this.#consume();
    this.#taker.consumer.start();
  }

  get #takers(): readonly Taker[] {
    return [this.#taker, ...this.#retired.keys()];
  }

  async #stop(deadline: Deadline): Promise<void> {
    const putBack = setTimeout(
      () => {
        const stopping = new AppError('shutting-down', 'The worker is stopping; the job is put back.');
        for (const { running } of this.#takers) for (const ending of running.values()) ending.end(stopping);
      },
      Math.max(0, deadline.leftMs - PUT_BACK_MS),
    );
    try {
      await this.#taker.consumer.close(deadline);
      const late = () => new Error('a replaced worker was still closing');
      await within(deadline.leftMs, Promise.all(this.#retired.values()), late);
    } finally {
      clearTimeout(putBack);
      this.#attempts.flush();
    }
  }
}

function lose(running: Running, ids: readonly string[]): void {
  const lost = new AppError('lock-lost', 'The worker lost the job: another may run it.');
  for (const id of ids) running.get(id)?.end(lost);
}
