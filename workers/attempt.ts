/** An attempt at a job, and what the machinery needs to run one. */

import type { Producer } from '../src/accepting/producer.ts';
import type { Cache } from '../src/cache.ts';
import type { CollectedRequests, CollectPace } from '../src/collected-requests.ts';
import type { Ledger } from '../src/database/ledger.ts';
import type { Event } from '../src/events/event.ts';
import type { Publisher } from '../src/events/publisher.ts';
import type { Locks } from '../src/locks.ts';
import type { Logger } from '../src/logger.ts';
import type { Catalog } from '../src/queue/catalog.ts';
import type { Envelope } from '../src/queue/envelope.ts';
import type { JobDefinition, JobServices } from '../src/queue/job.ts';
import type { Ending } from './ending.ts';

/** The job as the pool took it. */
export interface TakenJob {
  readonly id: string;
  readonly name: string;
  readonly data: unknown;
  /** Milliseconds since 1970: the time that its queue has for it. */
  readonly timestamp: number;
  /** Attempts that have failed before this one. */
  readonly failedAttempts: number;
  /** Has an attempt begun before, however it ended? */
  readonly startedBefore: boolean;
  /** Is it dead if this attempt fails? */
  readonly lastAttempt: boolean;
  progress(value: number | object): Promise<void>;
  /** Count a crash of the process that the job had for itself. Resolves with how many there were. */
  crashed(): Promise<number>;
}

/** What the machinery needs to run any job. */
export interface RunTools {
  readonly catalog: Catalog;
  readonly services: JobServices;
  readonly collectedRequests: CollectedRequests;
  readonly ledger: Ledger;
  readonly locks: Locks;
  readonly cache: Cache;
  readonly publisher: Publisher;
  readonly producer: Producer;
  /** Enqueue the jobs that wait `on` this event. */
  readonly fire: (event: Event) => Promise<void>;
  readonly pace: CollectPace;
  /** Run the handler of an isolated definition in a process of its own. */
  readonly isolate: (attempt: Attempt) => Promise<unknown>;
  /** Enqueue gathered requests again that are open beyond their time by more than `graceMs`. */
  readonly wakeOverdue: (graceMs: number) => Promise<number>;
  readonly logger: Logger;
  readonly clock: () => number;
  /** Milliseconds since 1970: jobs from before may have come back with an older state of Redis. */
  readonly believedSinceMs: () => number;
}

/** An attempt under way. */
export interface Attempt {
  readonly job: TakenJob;
  readonly definition: JobDefinition;
  readonly envelope: Envelope;
  /** Milliseconds since 1970, when the job was accepted. */
  readonly requestedAt: number;
  readonly payload: unknown;
  readonly startedAt: Date;
  readonly ending: Ending;
  readonly tools: RunTools;
}

/** The part of an attempt that its handler's context is made of: all there is of it in an isolated job's process. */
export interface HandlerAttempt {
  readonly job: Pick<TakenJob, 'id' | 'failedAttempts' | 'lastAttempt' | 'progress'>;
  readonly definition: Pick<JobDefinition, 'name'>;
  readonly envelope: Envelope;
  readonly requestedAt: number;
  readonly ending: Ending;
  readonly tools: Pick<RunTools, 'services' | 'ledger' | 'producer' | 'wakeOverdue' | 'logger'>;
}
