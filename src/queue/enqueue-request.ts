/** What is asked of the producer, and what it answers. */

/** A request to enqueue, already checked for shape and ranges. */
export interface EnqueueRequest {
  readonly tenant: string;
  readonly job: string;
  readonly payload: unknown;
  readonly runAt?: Date | undefined;
  readonly attempts?: number | undefined;
  readonly priority?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly tags?: readonly string[] | undefined;
  /** A caller's Idempotency-Key. */
  readonly idempotencyKey?: string | undefined;
  /** A trigger's own sameness; wins over the definition's `once`. */
  readonly once?: string | undefined;
  readonly requestId?: string | undefined;
  /** A number that nothing else has, to be the job's own: that of a request which asks for this job and no other. */
  readonly number?: string | undefined;
  /** An id that was given out already, such as by `millrace_enqueue`; made here unless given. */
  readonly id?: string | undefined;
  /** When it was asked for; now unless given. */
  readonly requestedAt?: Date | undefined;
}

/** The answer to an accepted request; the same for every repeat of it. */
export interface Enqueued {
  readonly status: 'queued' | 'duplicate';
  readonly id: string;
  readonly job: string;
  readonly queue: string;
  readonly state: 'accepted' | 'waiting' | 'delayed';
  /** ISO 8601, UTC. */
  readonly requestedAt: string;
  /** ISO 8601, UTC; undefined: at once. */
  readonly runAt: string | undefined;
}
