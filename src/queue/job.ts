/**
 * What a job definition is: inert data, one file in `jobs/`, the only thing that has to be written for a new kind of
 * work. The HTTP API, the command line, the board and the docs all read it from here.
 */

import { z } from 'zod';
import type { ResetTokens } from '../access/reset-tokens.ts';
import type { Analytics } from '../analytics/analytics.ts';
import type { Conversations } from '../conversations/conversations.ts';
import type { Replies } from '../conversations/replies.ts';
import type { Transaction } from '../database/schema.ts';
import type { Announcement, EventType } from '../events/event.ts';
import type { Logger } from '../logger.ts';
import type { Mailing } from '../mail/mailing.ts';
import type { MailUpkeep } from '../mail/upkeep.ts';
import type { MediaFiles } from '../media/files.ts';
import type { Learning } from '../profiles/learning.ts';
import type { Profiles } from '../profiles/profiles.ts';
import type { Audio } from '../providers/audio.ts';
import type { Fetcher } from '../providers/fetcher.ts';
import type { Images } from '../providers/images.ts';
import type { Speech } from '../providers/speech.ts';
import type { Resource } from '../resources.ts';
import type { Enqueued, EnqueueRequest } from './enqueue-request.ts';
import type { Housekeeping } from './housekeeping.ts';

/** The capabilities that a handler may ask for; its first line declares which it needs. */
export interface JobServices {
  readonly profiles: Profiles;
  readonly learning: Learning;
  readonly conversations: Conversations;
  readonly replies: Replies;
  readonly analytics: Analytics;
  /** What grows old in the stores, for the jobs that remove it. */
  readonly housekeeping: Housekeeping;
  /** Files that callers bring and jobs make. */
  readonly media: MediaFiles;
  /** Downloads what callers name. */
  readonly fetcher: Fetcher;
  readonly images: Images;
  /** Decodes recordings. */
  readonly audio: Audio;
  readonly speech: Speech;
  readonly mail: Mailing;
  readonly mailUpkeep: MailUpkeep;
  readonly resetTokens: ResetTokens;
}

/** The second argument of a handler. */
export interface JobContext extends JobServices {
  readonly job: {
    readonly id: string;
    readonly name: string;
    readonly tenant: string;
    /** 1 for the first attempt. */
    readonly attempt: number;
    /** Is the job dead if this attempt fails? */
    readonly lastAttempt: boolean;
    readonly requestedAt: Date;
  };
  /** Bound to the job's id, name and tenant. */
  readonly logger: Logger;
  /** Aborts on the deadline, a cancel, the shutdown or a lost lock. */
  readonly signal: AbortSignal;
  /** Report how far the work is: 0–100, or a small object. */
  progress(value: number | Readonly<Record<string, unknown>>): Promise<void>;
  /** Enqueue another job of the same tenant. */
  enqueue(request: Omit<EnqueueRequest, 'tenant'>): Promise<Enqueued>;
  /** Enqueue again gathered requests that are open beyond their time by more than `graceMs`. Returns how many. */
  wakeOverdue(graceMs: number): Promise<number>;
  /** The only way to write an effect: runs once per job, in one transaction with the ledger row. */
  apply<T>(effect: (tx: Transaction) => Promise<T>): Promise<T>;
}

/** A request that a gathering definition receives in its list. */
export interface Requested<P> {
  /** Id of the job that brought it. */
  readonly id: string;
  readonly requestedAt: Date;
  readonly payload: P;
}

/** What a function of the definition is told besides the payload. */
export interface About {
  readonly tenant: string;
}

/** How hard we try, until when. Each has a default in `JOB_DEFAULTS`. */
export interface Effort {
  /** Attempts before the job is dead: 1–25. */
  readonly attempts: number;
  /** Milliseconds before the second attempt; doubles each time up to `capMs`; half of it is jitter. */
  readonly backoff: { readonly delayMs: number; readonly capMs: number };
  /** Milliseconds that one attempt may take: 100 ms – 24 h. */
  readonly timeoutMs: number;
  /** Milliseconds after which a job that has not started is dead; 0: never. */
  readonly expiresMs: number;
  /** 0: none, 1: first, 100: last. Prioritised jobs cost the queue a third of its throughput. */
  readonly priority: number;
}

/** What holds for a job whose definition and request say nothing. */
export const JOB_DEFAULTS: Effort = {
  attempts: 5,
  backoff: { delayMs: 1000, capMs: 300_000 },
  timeoutMs: 60_000,
  expiresMs: 0,
  priority: 0,
};

interface Described<P extends z.ZodType, R extends z.ZodType> extends Partial<Effort> {
  /** `queue.verb-object`; equals the path of the file under `jobs/`, for ever. */
  readonly name: string;
  /** Names under which jobs may still wait in Redis. */
  readonly formerly?: readonly string[];
  /** What it does, one sentence for the people who enqueue it. */
  readonly about: string;
  readonly payload: P;
  readonly result: R;
  /** A payload that works: shown by `GET /v1/definitions` and run by the contract test. */
  readonly example: z.input<P>;
  /** An event type that enqueues it, with the payload made from the event. */
  readonly on?: { readonly event: EventType; payload(event: Announcement): z.input<P> };
  /** A clock line (cron in UTC, or milliseconds between runs) that enqueues it with `example` as payload. */
  readonly every?: string | number;
  /** Let the clock line enqueue one job for each tenant, not one for the service. */
  readonly eachTenant?: boolean;
  /** What makes two requests the same request for 24 h. */
  once?(payload: z.output<P>): string;
  /** The resource that nobody else may touch meanwhile. */
  exclusive?(payload: z.output<P>, about: About): Resource | undefined;
  /**
   * Run each attempt in a process of its own, for native code and input that nobody trusts: a segfault, an out-of-memory
   * or an endless loop ends that process and no neighbour. Payload and result are at most 1 MB. Not with `collect`.
   */
  readonly isolated?: boolean;
  /** Resources that are stale once it is done. */
  invalidates?(payload: z.output<P>, about: About): readonly Resource[];
  /** Events that follow, besides `job.completed`. */
  announces?(payload: z.output<P>, result: z.output<R>, about: About): readonly Announcement[];
  /** It may still change, or go: said by `GET /v1/definitions`. */
  readonly experimental?: boolean;
  /** Payload fields that the board and the logs never show. */
  readonly secret?: readonly (keyof z.output<P> & string)[];
}

interface SingleJob<P extends z.ZodType, R extends z.ZodType> extends Described<P, R> {
  readonly collect?: undefined;
  run(payload: z.output<P>, context: JobContext): Promise<z.input<R>>;
}

interface GatheringJob<P extends z.ZodType, R extends z.ZodType> extends Described<P, R> {
  /** Requests with the same value are gathered into one run; window and rate stand in the pool's row. */
  collect(payload: z.output<P>): string;
  /** The work on all open requests of one key, oldest first; never empty. */
  run(requests: readonly Requested<z.output<P>>[], context: JobContext): Promise<z.input<R>>;
}

/** A definition as the machinery sees it: complete, and with its payload type erased. */
export interface JobDefinition extends Effort {
  readonly name: string;
  readonly queue: string;
  readonly formerly: readonly string[];
  readonly about: string;
  readonly experimental: boolean;
  readonly payload: z.ZodType;
  readonly result: z.ZodType;
  readonly example: unknown;
  readonly on: { readonly event: EventType; payload(event: Announcement): unknown } | undefined;
  readonly every: string | number | undefined;
  readonly eachTenant: boolean;
  readonly isolated: boolean;
  readonly secret: readonly string[];
  readonly once: ((payload: unknown) => string) | undefined;
  readonly collect: ((payload: unknown) => string) | undefined;
  readonly exclusive: ((payload: unknown, about: About) => Resource | undefined) | undefined;
  readonly invalidates: ((payload: unknown, about: About) => readonly Resource[]) | undefined;
  readonly announces: ((payload: unknown, result: unknown, about: About) => readonly Announcement[]) | undefined;
  /** Takes the parsed payload, or the list of requests when `collect` is set. */
  readonly run: (input: unknown, context: JobContext) => Promise<unknown>;
}

/** Define a kind of work. The default export of a file in `jobs/`. */
export function defineJob<P extends z.ZodType, R extends z.ZodType>(spec: GatheringJob<P, R>): JobDefinition;
export function defineJob<P extends z.ZodType, R extends z.ZodType>(spec: SingleJob<P, R>): JobDefinition;
export function defineJob<P extends z.ZodType, R extends z.ZodType>(
  spec: SingleJob<P, R> | GatheringJob<P, R>,
): JobDefinition {
  // The payload's type is known here and parsed against its schema before any of these is called: erasing it is safe.
  const erased = spec as unknown as Partial<JobDefinition> & Pick<JobDefinition, 'name' | 'about' | 'example' | 'run'>;
  return Object.freeze({
    ...JOB_DEFAULTS,
    formerly: [],
    experimental: false,
    on: undefined,
    every: undefined,
    eachTenant: false,
    isolated: false,
    secret: [],
    once: undefined,
    collect: undefined,
    exclusive: undefined,
    invalidates: undefined,
    announces: undefined,
    ...erased,
    payload: spec.payload,
    result: spec.result,
    queue: spec.name.split('.')[0] ?? '',
  });
}

/** Was this made by `defineJob`? Guards what the catalog loads from disk. */
export function isJobDefinition(value: unknown): value is JobDefinition {
  return (
    typeof value === 'object' &&
    value !== null &&
    'name' in value &&
    typeof value.name === 'string' &&
    'run' in value &&
    typeof value.run === 'function' &&
    'payload' in value &&
    value.payload instanceof z.ZodType
  );
}

/** An identifier given by a caller: 1–128 characters that are safe in keys, paths and logs. */
export const id = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[A-Za-z0-9._@|+=~-]+$/, 'may hold letters, digits and . _ @ | + = ~ -');

/** A text of at most 100,000 characters. */
export const text = z.string().max(100_000);
