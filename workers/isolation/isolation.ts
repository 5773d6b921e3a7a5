/**
 * Runs the attempts of isolated definitions, each in a child process of its own, so that a segfault, an out-of-memory
 * or an endless loop ends one child and one job, never a neighbour.
 *
 * Promises: a child runs one attempt and is never used again; one waits, loaded and connected, for the next attempt; an
 * attempt that has ended is over only when its child is, a second later at most; a job whose own child has crashed three
 * times, or had to be killed at its deadline, is dead; a child that could not even start counts against nobody. `stop` leaves no child. The reasoning is in
 * `docs/decisions/0017-isolation.md`.
 */

import { type Config, configVariables, type Environment } from '../../src/config.ts';
import { AppError, isAppError, messageOf } from '../../src/errors.ts';
import { type Deadline, type Lifecycle, within } from '../../src/lifecycle.ts';
import type { Logger } from '../../src/logger.ts';
import type { Catalog } from '../../src/queue/catalog.ts';
import type { Attempt } from '../attempt.ts';
import { type ChildEnd, IsolatedProcess, type IsolatedProcessOptions } from './isolated-process.ts';
import { carried, carry, type Reply } from './messages.ts';

export interface IsolationOptions {
  readonly config: Config;
  readonly catalog: Catalog;
  /** Queues that this process works on: a child waits for them only if one has an isolated definition. */
  readonly queues: readonly string[];
  readonly logger: Logger;
  /** Told of each crash of a job's own child. */
  readonly crashed: (queue: string, job: string) => void;
}

/** Crashes of its own child after which a job is dead, whatever its `attempts` say. */
const MOST_CRASHES = 3;
/** Milliseconds until a child must be ready. */
const START_MS = 30_000;
/** Milliseconds between telling a child that its attempt has ended, and killing it. */
const GRACE_MS = 1000;
/** Milliseconds for a child that has answered to close its connections. */
const LINGER_MS = 2000;
/** Seconds until an attempt is tried again whose child could not start. */
const RETRY_S = 5;
/** PostgreSQL connections of one child: its effect, and one to read with meanwhile. */
const DATABASE_POOL_SIZE = 2;
/** Of the process as a whole, times the limit of the heap. */
const WHOLE_PROCESS = 2;

export class Isolation implements Lifecycle {
  readonly #environment: Environment;
  readonly #heapMb: number;
  readonly #wanted: boolean;
  readonly #logger: Logger;
  readonly #crashed: IsolationOptions['crashed'];
  readonly #alive = new Set<IsolatedProcess>();
  #spare: IsolatedProcess | undefined;
  #stopped = false;

  constructor({ config, catalog, queues, logger, crashed }: IsolationOptions) {
    this.#heapMb = config.ISOLATED_MEMORY_MB;
    this.#wanted = catalog.all.some((each) => each.isolated && queues.includes(each.queue));
    this.#logger = logger;
    this.#crashed = crashed;
    this.#environment = {
      ...configVariables(config),
      DATABASE_POOL_SIZE: String(DATABASE_POOL_SIZE),
      JOBS_DIR: catalog.directory,
      // What a child has no use for, it does not get.
      JOURNAL_KEY: '',
      BOARD_PASSWORD: '',
    };
  }

  /** Begin to start the child for the first attempt. */
  async start(): Promise<void> {
    if (this.#wanted) this.#spare ??= this.#spawn();
  }

  /** Kill what still runs. */
  async stop(deadline: Deadline): Promise<void> {
    this.#stopped = true;
    const children = [...this.#alive];
    for (const child of children) child.kill('The worker is stopping.');
    const late = () => new Error('a child process cannot be ended');
    await within(deadline.leftMs, Promise.all(children.map((child) => child.ended)), late);
  }

  /** Run an attempt's handler in a child. Returns or throws what it did there; throws its reason if the attempt ends. */
  async run(attempt: Attempt): Promise<unknown> {
    const { job, definition, envelope, ending } = attempt;
    ending.throwIfEnded();
    // How long a process takes to start is not the handler's affair.
    const startClock = ending.stopClock();
    const child = this.#take();
    child.bind({ jobId: job.id, job: definition.name, tenant: envelope.tenant });
    try {
      await Promise.race([this.#ready(child), endOf(ending.signal)]);
      startClock();
      const answer = await Promise.race([ask(child, attempt), child.ended, endOf(ending.signal)]);
      if (!('kind' in answer)) throw await this.#count(attempt, answer, new AppError('isolated-crashed', answer.why));
      void child.end(LINGER_MS, 'It lingered after its result.').catch(this.#cannotEnd);
      if (answer.kind === 'failed') throw carried(answer.error);
      return answer.result;
    } catch (error) {
      if (!ending.signal.aborted) throw error;
      throw await this.#abort(child, attempt, ending.signal.reason);
    }
  }

  /** End a child whose attempt has ended. Returns what the attempt ends with. */
  async #abort(child: IsolatedProcess, attempt: Attempt, reason: unknown): Promise<unknown> {
    child.say({ kind: 'abort', error: carry(reason) });
    const end = await child.end(GRACE_MS, 'It went on after its attempt had ended.').catch(this.#cannotEnd);
    // Only its own deadline says something about the job. Not to end after it is as bad as a crash, an endless loop.
    if (end === undefined || end.code === 0 || !isAppError(reason, 'attempt-timed-out')) return reason;
    return this.#count(attempt, end, reason);
  }

  readonly #cannotEnd = (error: unknown): undefined => {
    this.#logger.error({ err: error }, 'an isolated job cannot be ended');
  };

  /** A child for one attempt; from now on another one gets ready for the next. */
  #take(): IsolatedProcess {
    if (this.#stopped) throw new AppError('shutting-down', 'The worker is stopping; the job is put back.');
    const spare = this.#spare;
    this.#spare = undefined;
    const child = spare === undefined || spare.over ? this.#spawn() : spare;
    try {
      this.#spare = this.#spawn();
    } catch {
      // The attempt that wants it tries again, and says why it cannot.
    }
    return child;
  }

  #spawn(): IsolatedProcess {
    const heapMb = this.#heapMb;
    const child = startProcess({
      environment: this.#environment,
      heapMb,
      processMb: heapMb * WHOLE_PROCESS,
      logger: this.#logger,
    });
    this.#alive.add(child);
    void child.ended.then(() => this.#alive.delete(child));
    return child;
  }

  async #ready(child: IsolatedProcess): Promise<void> {
    const said = new Promise<Reply>((resolve) => child.listen(resolve));
    const late = () => new AppError('isolated-unavailable', 'The child process was not ready in time.');
    try {
      const first = await within(START_MS, Promise.race([said, child.ended]), late);
      if ('kind' in first && first.kind === 'ready') return;
      const why = 'why' in first ? first.why : `It said "${first.kind}" first.`;
      throw new AppError('isolated-unavailable', `The child process did not start. ${why}`, {
        retryAfterSeconds: RETRY_S,
      });
    } catch (error) {
      child.kill('It was not ready in time.');
      throw error;
    }
  }

  /** Count a crash. Returns what the attempt ends with: `error`, unless it was one crash too many. */
  async #count({ job, definition, envelope }: Attempt, end: ChildEnd, error: Error): Promise<Error> {
    const { queue, name } = definition;
    this.#crashed(queue, name);
    const crashes = await job.crashed();
    const { code, signal, why, rssMb } = end;
    const line = { jobId: job.id, job: name, tenant: envelope.tenant, crashes, code, signal, rssMb, why };
    this.#logger.warn(line, 'isolated job crashed');
    if (crashes < MOST_CRASHES) return error;
    return new AppError('isolated-crashed-often', `Its own process has crashed ${crashes} times. ${why}`);
  }
}

function startProcess(options: IsolatedProcessOptions): IsolatedProcess {
  try {
    return new IsolatedProcess(options);
  } catch (cause) {
    const detail = `No child process can be started: ${messageOf(cause)}`;
    throw new AppError('isolated-unavailable', detail, { cause, retryAfterSeconds: RETRY_S });
  }
}

/** Rejects once the attempt has ended. */
function endOf(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const ended = () => reject(signal.reason);
    if (signal.aborted) ended();
    else signal.addEventListener('abort', ended, { once: true });
  });
}

type Answer = Extract<Reply, { kind: 'done' | 'failed' }>;

/** Have a ready child run the job. Resolves with its answer; progress is reported one value after the other. */
function ask(child: IsolatedProcess, { job, definition, envelope, requestedAt }: Attempt): Promise<Answer> {
  return new Promise((resolve) => {
    let reporting = false;
    const report = async (value: number | object) => {
      reporting = true;
      const error = await job.progress(value).then(() => undefined, carry);
      reporting = false;
      child.say({ kind: 'reported', ...(error && { error }) });
    };
    child.listen((reply) => {
      if (reply.kind === 'done' || reply.kind === 'failed') resolve(reply);
      else if (reply.kind === 'progress' && !reporting) void report(reply.value);
      else child.kill(`It said "${reply.kind}" out of turn.`);
    });
    const { id, failedAttempts, lastAttempt } = job;
    const about = { id, name: definition.name, failedAttempts, lastAttempt };
    const order = { kind: 'run', job: about, envelope, requestedAt } as const;
    if (!child.say(order)) child.kill('Its payload is larger than what can be handed to a process.');
  });
}
