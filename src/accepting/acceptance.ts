/**
 * Accepting in the web process: the journal, the relay behind it, and the look after what was handed over.
 *
 * Promises: `take` resolves once the job is on this process's disk; `start` takes over what earlier processes have left,
 * and `stop` hands over what Redis takes until the deadline. With `ACCEPT=redis` a job goes to Redis first, and to the
 * journal only when that fails: a job whose Redis then loses it is lost, and a crash of the web process loses what was
 * not answered.
 */

import { basename, join } from 'node:path';
import type { Config } from '../config.ts';
import type { Ledger } from '../database/ledger.ts';
import { AppError, isAppError, messageOf } from '../errors.ts';
import { Care } from '../journal/care.ts';
import { Claim, type Identities } from '../journal/claim.ts';
import { refuseMemory } from '../journal/disk.ts';
import type { JournalEntry } from '../journal/entry.ts';
import { Journal } from '../journal/journal.ts';
import { Seal } from '../journal/seal.ts';
import type { NumberedEntry } from '../journal/segment.ts';
import { SetAside } from '../journal/set-aside.ts';
import { Deadline, type Lifecycle, repeat, within } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import type { Queues } from '../queue/queues.ts';
import type { Breaker } from '../redis/breaker.ts';
import type { ScriptedRedis } from '../redis/connections.ts';
import { queueKeys } from '../redis/keys.ts';
import { AcceptedList } from './accepted-list.ts';
import type { Handover } from './handover.ts';
import { DirectIntake, type Intake, type Taken } from './intake.ts';
import { Passing } from './passing.ts';
import { PendingJobs } from './pending-jobs.ts';
import type { PreparedJob } from './prepared-job.ts';
import { RedisMemory } from './redis-memory.ts';
import { Relay } from './relay.ts';
import { Settlement } from './settlement.ts';

export interface AcceptanceOptions {
  readonly config: Config;
  readonly redis: ScriptedRedis;
  readonly breaker: Breaker;
  readonly queues: Queues;
  readonly handover: Handover;
  readonly ledger: Ledger;
  readonly identities: Identities;
  readonly logger: Logger;
}

/** What is known of accepted jobs that are not in their queues, or not at their end. */
export interface AcceptanceFigures {
  /** Jobs that wait for Redis. */
  readonly pending: number;
  /** Jobs that were handed over and have not reached a final state, as last looked at. */
  readonly open: number;
  readonly setAside: number;
  readonly bytes: number;
  /** Milliseconds for which jobs have been waiting for Redis. */
  readonly behindMs: number;
  /** Why nothing can be accepted just now. */
  readonly trouble: string | undefined;
}

/** Milliseconds before the deadline of a stop at which nothing more is handed over. */
const NOTES_MS = 2000;
/** Milliseconds between two looks after what was handed over. */
const LOOK_MS = 1000;
/** Milliseconds after Redis's return for which another process may not have listed its jobs yet. */
const LISTING_MS = 3000;
/** Jobs from which on they are listed for other processes: fewer are in their queues as quickly. */
const WORTH_LISTING = 100;

interface Running {
  readonly claim: Claim;
  readonly journal: Journal;
  readonly relay: Relay;
  readonly pending: PendingJobs;
  readonly settlement: Settlement;
  readonly memory: RedisMemory;
  /** Take the mark of another journal out of Redis. */
  readonly forgetMarkOf: (folder: string) => Promise<void>;
  readonly care: Care;
}

export class Acceptance implements Intake, Lifecycle {
  readonly #options: AcceptanceOptions;
  readonly #logger: Logger;
  readonly #directory: string;
  readonly #acceptedList: AcceptedList;
  readonly #setAside: SetAside;
  readonly #direct: DirectIntake | undefined;
  readonly #ended = new AbortController();
  #running: Running | undefined;
  #looking: Promise<void> | undefined;
  #backAtMs = 0;

  constructor(options: AcceptanceOptions) {
    const { config, redis, breaker, handover, logger } = options;
    this.#options = options;
    this.#logger = logger;
    this.#directory = config.JOURNAL_DIR ?? join(config.DATA_DIR, 'journal');
    this.#acceptedList = new AcceptedList({ redis, breaker, keyPrefix: config.KEY_PREFIX });
    this.#setAside = new SetAside({ directory: this.#directory });
    this.#direct = config.ACCEPT === 'redis' ? new DirectIntake({ handover, breaker }) : undefined;
    breaker.onChange((state) => {
      if (state === 'closed') this.#backAtMs = Date.now();
    });
  }

  /** Take over or make a journal, and begin to hand over. Throws `BootError` when the folder cannot be used. */
  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    const { config, identities, logger } = this.#options;
    if (config.NODE_ENV === 'production') await refuseMemory(this.#directory);
    if (this.#direct !== undefined) logger.warn('ACCEPT=redis: a job that Redis loses after its 202 is lost');
    const claim = await Claim.make({ directory: this.#directory, identities });
    await this.#setAside.start();
    const seal = config.JOURNAL_KEY === undefined ? undefined : new Seal(Buffer.from(config.JOURNAL_KEY, 'base64'));
    const { stillOurs, folder } = claim;
    const journal = await Journal.open({ folder, seal, mostBytes: config.JOURNAL_MAX_BYTES, stillOurs, logger });
    const relaying = this.#relayFor(journal, folder);
    const adopted = (each: NumberedEntry) => {
      if (each.handed) relaying.settlement.owe(each.number);
      else relaying.relay.takeIn(each);
    };
    const { forgetMarkOf } = relaying;
    const emptied = (left: string) => forgetMarkOf(left).catch(this.#lookFailed);
    const care = new Care({ claim, journal, seal, setAside: this.#setAside, adopted, emptied, logger });
    await care.adopt();
    this.#running = { claim, journal, care, ...relaying };
    await this.#running.relay.start();
    this.#options.redis.on('ready', this.#onReady);
    this.#looking = repeat(LOOK_MS, this.#ended.signal, () => this.#look(), this.#lookFailed);
  }

  async stop(deadline: Deadline): Promise<void> {
    const running = this.#running;
    if (running === undefined || this.#ended.signal.aborted) return;
    // The journal needs a moment of its own to write its notes.
    this.#options.redis.off('ready', this.#onReady);
    await running.relay.stop(new Deadline(deadline.atMs - NOTES_MS));
    this.#ended.abort();
    await within(deadline.leftMs, this.#looking ?? Promise.resolve(), () => new Error('still looking after jobs'));
    await running.journal.stop(deadline);
    const empty = running.pending.size === 0 && running.journal.open === 0;
    if (empty) await running.memory.forget().catch(this.#lookFailed);
    await running.claim.release(empty);
  }

  /** Accept a job. Throws `journal-full` or `journal-unwritable` when nothing can be promised. */
  take(job: PreparedJob): Promise<Taken> {
    const { relay, pending } = this.#started();
    if (this.#direct === undefined || pending.size > 0) return relay.take(job);
    return this.#direct.take(job).catch((error: unknown) => {
      if (!isAppError(error, 'store-unavailable')) throw error;
      return relay.take(job);
    });
  }

  /** The entry of a job that waits for Redis in this process. */
  async kept(tenant: string, id: string): Promise<JournalEntry | undefined> {
    return this.#running?.pending.find(tenant, id);
  }

  /** May a job that is kept here be in its queue all the same? */
  isDoubtful(id: string): boolean {
    return this.#running?.relay.isDoubtful(id) ?? false;
  }

  /** Do not hand over a job that was cancelled. True once it is certain to reach no queue; false when it may be there. */
  async withdraw(id: string): Promise<boolean> {
    return (await this.#running?.relay.withdraw(id)) ?? false;
  }

  /** Hand over a job that was withdrawn all the same. */
  restore(id: string): void {
    this.#running?.relay.restore(id);
  }

  /** Keep a job that is in Redis already, such as a dead one that is to run again, until its end. */
  async keep(entry: JournalEntry): Promise<void> {
    if (this.#direct !== undefined) return;
    const { journal, relay } = this.#started();
    await journal.adopt([{ number: 0, entry, handed: true }]);
    relay.wake();
  }

  /** A job that waits in another process; `unknown` while there may be such. Rejects while Redis is away. */
  async keptElsewhere(tenant: string, id: string) {
    const listed = await this.#acceptedList.find(tenant, id);
    if (listed === undefined && Date.now() - this.#backAtMs < LISTING_MS) return 'unknown';
    return listed;
  }

  get figures(): AcceptanceFigures {
    const setAside = this.#setAside.count;
    if (this.#running === undefined) {
      return { pending: 0, open: 0, setAside, bytes: 0, behindMs: 0, trouble: 'The journal is not open yet.' };
    }
    const { pending, journal } = this.#running;
    const { bytes, trouble } = journal;
    const open = Math.max(0, journal.open - pending.size);
    return { pending: pending.size, open, setAside, bytes, behindMs: pending.behindMs, trouble };
  }

  #started(): Running {
    if (this.#running !== undefined) return this.#running;
    throw new AppError('shutting-down', 'This process has not begun to accept jobs.', { retryAfterSeconds: 1 });
  }

  #relayFor(journal: Journal, folder: string): Omit<Running, 'claim' | 'journal' | 'care'> {
    const { config, redis, breaker, queues, handover, ledger, logger } = this.#options;
    const acceptedList = this.#acceptedList;
    const passing = new Passing({
      journal,
      setAside: this.#setAside,
      handover,
      queues,
      breaker,
      ledger,
      acceptedList,
      logger,
    });
    const limits = {
      mostPending: config.JOURNAL_MAX_JOBS,
      longestPendingMs: config.JOURNAL_MAX_AGE_MINUTES * 60_000,
    };
    const pending = new PendingJobs({ journal, limits, clock: Date.now });
    const beforeResuming = async () => {
      if (pending.size > 0) await acceptedList.sayBehind();
      await settlement.verify();
      if (pending.size > WORTH_LISTING) await acceptedList.publish(pending.entries());
    };
    const onHanded = (entries: readonly NumberedEntry[], atMs: number) => settlement.recent.note(entries, atMs);
    const relay = new Relay({ journal, passing, breaker, pending, beforeResuming, onHanded, logger });
    const key = `${config.QUEUE_PREFIX}:${queueKeys.journalMarks()}`;
    const memory = new RedisMemory({ redis, breaker, key, field: fieldOf(folder) });
    const settlement = new Settlement({ journal, relay, passing, handover, memory, breaker, logger });
    const forgetMarkOf = (left: string) => new RedisMemory({ redis, breaker, key, field: fieldOf(left) }).forget();
    return { relay, pending, settlement, memory, forgetMarkOf };
  }

  async #look(): Promise<void> {
    const { care, claim, pending, relay, settlement } = this.#started();
    if (await claim.isLost()) return this.#end();
    // A disk that refuses must not keep us from settling what would free it.
    await care.tend().catch(this.#lookFailed);
    // Entries may have come by themselves, from an orphan or a file that was rewritten.
    relay.wake();
    if (this.#options.breaker.state !== 'closed') return;
    if (pending.behindMs > 0) await this.#acceptedList.sayBehind();
    else if (pending.size === 0) this.#acceptedList.clear();
    await settlement.verify();
    await settlement.pass();
  }

  /** The connection was made anew: to whom, and with what it remembers, is to be seen before anything goes there. */
  readonly #onReady = (): void => this.#running?.relay.halt();

  /** Whoever has taken the folder answers for what is in it; this process cannot go on. Its supervisor starts another. */
  #end(): void {
    this.#logger.fatal({ folder: this.#started().claim.folder }, 'another process has taken this journal; ending');
    this.#ended.abort();
    process.kill(process.pid, 'SIGTERM');
  }

  readonly #lookFailed = (error: unknown): void => {
    if (isAppError(error, 'store-unavailable')) return;
    this.#logger.warn({ err: { message: messageOf(error) } }, 'could not look after accepted jobs; trying again');
  };
}

/** The field of a journal's mark: the end of its folder's name, which stays with it whoever owns it. */
function fieldOf(folder: string): string {
  return basename(folder).split('.').at(-1) ?? '';
}
