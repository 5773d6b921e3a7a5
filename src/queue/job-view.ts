/** A job as the outside sees it: its state in our words, whatever BullMQ calls it. */

import type { Job } from 'bullmq';
import { type Envelope, requestedAtOf } from './envelope.ts';
import type { Completion } from './queues.ts';

/** `failed` will be retried; `dead` will not; `accepted` is safe but not in Redis yet. */
export type JobState = 'accepted' | 'delayed' | 'waiting' | 'active' | 'completed' | 'failed' | 'dead' | 'cancelled';

/** States in which nothing more will happen by itself. */
export const FINISHED: ReadonlySet<JobState> = new Set(['completed', 'dead', 'cancelled']);

/** The answer of `GET /v1/jobs/{id}`. Times are ISO 8601 in UTC, null until they are known. */
export interface JobView {
  readonly id: string;
  readonly job: string;
  readonly queue: string;
  readonly state: JobState;
  readonly progress: unknown;
  readonly attempts: { readonly made: number; readonly most: number };
  readonly result: unknown;
  readonly error: { readonly code: string; readonly message: string } | null;
  /** The run that did the work of a gathered request, when another one did. */
  readonly collectedInto: string | null;
  readonly tags: readonly string[];
  readonly priority: number;
  readonly requestedAt: string | null;
  readonly runAt: string | null;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
}

export type StoredJob = Job<Envelope, Completion, string>;

/** How a failure is written into `failedReason`: the code, then the message. */
export function failureText(code: string, message: string): string {
  return `${code}: ${message}`;
}

/** Read `failureText` back. */
export function parseFailure(text: string): { code: string; message: string } {
  const match = /^([a-z-]+): (.*)$/s.exec(text);
  return { code: match?.[1] ?? 'internal', message: match?.[2] ?? text };
}

/** Our word for a job's state, from BullMQ's. */
export function stateOf(job: StoredJob, bullState: string): JobState {
  switch (bullState) {
    case 'completed':
      return 'completed';
    case 'failed':
      return parseFailure(job.failedReason ?? '').code === 'job-cancelled' ? 'cancelled' : 'dead';
    case 'active':
      return 'active';
    case 'delayed':
      return job.attemptsMade > 0 ? 'failed' : 'delayed';
    default:
      return 'waiting';
  }
}

/** A job in Redis as the outside sees it. */
export function viewOf(job: StoredJob, bullState: string): JobView {
  const state = stateOf(job, bullState);
  const { data, returnvalue } = job;
  return {
    id: job.id ?? '',
    job: job.name,
    queue: job.queueName,
    state,
    progress: job.progress,
    attempts: { made: job.attemptsMade, most: job.opts.attempts ?? 1 },
    result: state === 'completed' ? (returnvalue?.result ?? null) : null,
    error: job.failedReason && state !== 'completed' ? parseFailure(job.failedReason) : null,
    collectedInto: returnvalue?.collectedInto ?? null,
    tags: data.tags ?? [],
    priority: job.opts.priority ?? 0,
    requestedAt: isoOf(requestedAtOf(job)),
    runAt: isoOf(data.runAt),
    startedAt: isoOf(job.processedOn),
    finishedAt: FINISHED.has(state) ? isoOf(job.finishedOn) : null,
  };
}

/** A job that Redis no longer, or not yet, knows, from what PostgreSQL remembers. */
export function rememberedView(
  id: string,
  queue: string,
  remembered: { job: string; state: JobState; result?: unknown; collectedInto?: string | null; requestedAt?: Date },
): JobView {
  return {
    id,
    job: remembered.job,
    queue,
    state: remembered.state,
    progress: 0,
    attempts: { made: 0, most: 0 },
    result: remembered.result ?? null,
    error: remembered.state === 'cancelled' ? { code: 'job-cancelled', message: 'The job was cancelled.' } : null,
    collectedInto: remembered.collectedInto ?? null,
    tags: [],
    priority: 0,
    requestedAt: remembered.requestedAt?.toISOString() ?? null,
    runAt: null,
    startedAt: null,
    finishedAt: null,
  };
}

function isoOf(ms: number | undefined): string | null {
  return ms === undefined || Number.isNaN(ms) ? null : new Date(ms).toISOString();
}
