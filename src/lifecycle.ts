/**
 * Starting and stopping: what has a beginning and an end, and the one deadline that stops it all.
 *
 * Promises: `start` and `stop` may be called twice; a stop never outlives its deadline; one part that hangs or fails
 * while stopping does not keep the others from stopping.
 */

import type { Logger } from './logger.ts';

/** A moment by which something must have ended. */
export class Deadline {
  readonly atMs: number;

  constructor(atMs: number) {
    this.atMs = atMs;
  }

  /** A deadline `ms` milliseconds from now. */
  static in(ms: number): Deadline {
    return new Deadline(Date.now() + ms);
  }

  /** Milliseconds left, never below zero. */
  get leftMs(): number {
    return Math.max(0, this.atMs - Date.now());
  }
}

/** Something that starts or stops. Both calls are idempotent. */
export interface Lifecycle {
  start?(): Promise<void>;
  stop(deadline: Deadline): Promise<void>;
}

/** Resolve with `work`, or reject with `expired()` after `ms`. The work itself goes on: pass it a signal to end it. */
export async function within<T>(ms: number, work: PromiseLike<T>, expired: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(expired()), ms);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** Wait `ms`, or less when the signal aborts. Never rejects. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** Let timers and I/O have their turn: for a computation that would hold the event loop for long. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Run `work` every `ms` until the signal aborts; never two runs at once; an error goes to `failed` and the next run comes. */
export async function repeat(
  ms: number,
  signal: AbortSignal,
  work: () => Promise<void>,
  failed: (error: unknown) => void,
) {
  while (!signal.aborted) {
    try {
      await work();
    } catch (error) {
      failed(error);
    }
    await pause(ms, signal);
  }
}

/** Named parts, stopped in the reverse of the order in which they were added. */
export class Parts {
  readonly #parts: { name: string; part: Lifecycle }[] = [];

  /** Remember a part for `stop`, and hand it back. */
  add<T extends Lifecycle>(name: string, part: T): T {
    this.#parts.push({ name, part });
    return part;
  }

  /** Stop every part, newest first, all against one deadline; what hangs or fails is logged and passed over. */
  async stop(deadline: Deadline, logger: Logger): Promise<void> {
    for (const { name, part } of this.#parts.splice(0).reverse()) {
      try {
        await within(deadline.leftMs + 250, part.stop(deadline), () => new Error('still stopping at the deadline'));
      } catch (error) {
        logger.warn({ err: error, part: name }, 'part did not stop cleanly');
      }
    }
  }
}

/** A reason not to start that a person can mend; told without a stack. */
export class BootError extends Error {
  override readonly name: string = 'BootError';
}

/** What `runProcess` runs. */
export interface Process {
  readonly part: Lifecycle;
  readonly logger: Logger;
  /** Milliseconds from the first signal until everything has ended. */
  readonly shutdownMs: number;
}

/** Exit code of a boot that can only be mended by a person: EX_CONFIG of sysexits.h. */
const EXIT_CONFIG = 78;

/**
 * Build a process's one part, start it, and stop it on SIGTERM or SIGINT. A boot that fails says why and exits 78.
 */
export async function runProcess(boot: () => Promise<Process>): Promise<void> {
  try {
    const { part, logger, shutdownMs } = await boot();
    let stopping = false;
    const stop = (signal: NodeJS.Signals) => {
      if (stopping) return;
      stopping = true;
      logger.info({ signal }, 'stopping');
      const deadline = Deadline.in(shutdownMs);
      const ended = within(shutdownMs + 1000, part.stop(deadline), () => new Error('still stopping at the deadline'));
      ended.then(
        () => process.exit(0),
        (error: unknown) => {
          logger.error({ err: error }, 'did not stop cleanly');
          process.exit(1);
        },
      );
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
    // Started by `npm start`: its end, however sudden, is ours.
    process.once('disconnect', () => stop('SIGTERM'));
    process.channel?.unref();
    await part.start?.();
    logger.info('running');
  } catch (error) {
    console.error(error instanceof BootError ? error.message : error);
    process.exit(EXIT_CONFIG);
  }
}
