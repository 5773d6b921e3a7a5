/**
 * Accepting work: from a request to a job that is safe. Whoever enqueues (HTTP, a handler, a clock, an event) comes
 * through here.
 *
 * Promises: the id and all times are fixed before anything is tried; the same `once` value or key gives the same id and
 * the same answer; nothing that does not fit the definition is taken. While Redis is away a web process accepts into its
 * journal, and a worker rejects with `store-unavailable` (`intake.ts`); a rejected request may still have been done, so a
 * retry must carry the same key.
 */

import type { CollectedRequests } from '../collected-requests.ts';
import { AppError, isAppError } from '../errors.ts';
import { within } from '../lifecycle.ts';
import { problemsFromZod } from '../problems.ts';
import type { Catalog } from '../queue/catalog.ts';
import type { Enqueued, EnqueueRequest } from '../queue/enqueue-request.ts';
import { type Envelope, envelopeSchema, hashOf, jobIdFor, requestedAtOf, type Sameness } from '../queue/envelope.ts';
import type { JobDefinition } from '../queue/job.ts';
import type { Queues } from '../queue/queues.ts';
import type { Breaker } from '../redis/breaker.ts';
import type { Intake, Taken } from './intake.ts';
import type { PreparedJob } from './prepared-job.ts';

export interface ProducerOptions {
  readonly catalog: Catalog;
  readonly queues: Queues;
  readonly intake: Intake;
  readonly breaker: Breaker;
  readonly collectedRequests: CollectedRequests;
  readonly clock?: () => number;
}

/** What was asked for, and when. */
type Asked = Pick<PreparedJob, 'envelope' | 'requestedAt'>;

/** Overdue requests that one sweep looks at. */
const MOST_OVERDUE = 1000;
/** Milliseconds that a caller with a key waits for Redis to say whether there is such a job. */
const KNOWN_MS = 100;
const slow = () => new AppError('store-unavailable', 'Redis did not answer in time.');
/** Redis answered: there is no such job. */
const NO_JOB = Symbol('no job');

export class Producer {
  readonly #catalog: Catalog;
  readonly #queues: Queues;
  readonly #intake: Intake;
  readonly #breaker: Breaker;
  readonly #collectedRequests: CollectedRequests;
  readonly #clock: () => number;

  constructor({ catalog, queues, intake, breaker, collectedRequests, clock = Date.now }: ProducerOptions) {
    this.#catalog = catalog;
    this.#queues = queues;
    this.#intake = intake;
    this.#breaker = breaker;
    this.#collectedRequests = collectedRequests;
    this.#clock = clock;
  }

  /** Accept a request. Throws `unknown-job`, `invalid-input`, `idempotency-key-reused`, `journal-full`, … */
  async enqueue(request: EnqueueRequest): Promise<Enqueued> {
    const prepared = this.prepare(request);
    if (prepared.repeatable) return this.hand(prepared);
    return answer(prepared, prepared, 'queued', await this.#intake.take(prepared));
  }

  /**
   * As `enqueue`, for a gathering definition: the request is a row in PostgreSQL before Redis is tried. With Redis away
   * it is `accepted` all the same, and the sweep of overdue requests brings it to its queue.
   */
  async enqueueKept(request: EnqueueRequest): Promise<Enqueued> {
    const prepared = this.prepare(request);
    const { id, definition, envelope } = prepared;
    const { bodyHash, payload } = envelope;
    if (definition.collect === undefined) throw new AppError('internal', `${definition.name} gathers nothing.`);
    // A key that was used for another request must be refused before anything of this one is kept.
    const known = await this.#known(prepared);
    if (known !== undefined) return answer(prepared, known, 'duplicate', known.taken);
    const collect = { tenant: envelope.tenant, job: definition.name, key: definition.collect(payload) };
    const requestedAt = new Date(prepared.requestedAt);
    const kept = await this.#collectedRequests.add(collect, { id, requestedAt, payload, bodyHash });
    refuseOtherBody(id, bodyHash, kept.bodyHash);
    const first = { ...prepared, requestedAt: kept.requestedAt.getTime() };
    const handed = await unlessUnable(() => this.#handNew(first));
    return handed ?? answer(first, first, 'queued', 'kept');
  }

  /** Fix the id, the times and the payload of a request. Throws `unknown-job` or `invalid-input`; touches no store. */
  prepare(request: EnqueueRequest): PreparedJob {
    const definition = this.#catalog.get(request.job);
    const parsed = definition.payload.safeParse(request.payload);
    if (!parsed.success) {
      const problems = problemsFromZod(parsed.error, '/payload');
      throw new AppError('invalid-input', `The payload does not fit ${definition.name}.`, { problems });
    }
    const requestedAt = request.requestedAt?.getTime() ?? this.#clock();
    const sameness = samenessOf(request, definition, parsed.data);
    const number = sameness === undefined ? request.number : undefined;
    const envelope = envelopeOf(request, definition, requestedAt, number);
    if (sameness?.kind === 'key') envelope.bodyHash = bodyHashOf(request);
    return {
      id: request.id ?? jobIdFor(request.tenant, definition.name, sameness, requestedAt, number),
      definition,
      envelope,
      requestedAt,
      attempts: request.attempts ?? definition.attempts,
      priority: request.priority ?? definition.priority,
      repeatable: sameness !== undefined || request.id !== undefined,
    };
  }

  /** Hand a prepared job over. Doing it twice is harmless. */
  async hand(prepared: PreparedJob): Promise<Enqueued> {
    const known = await this.#known(prepared);
    if (known === undefined) return this.#handNew(prepared);
    return answer(prepared, known, 'duplicate', known.taken);
  }

  /** Hand over a job that nobody had asked for a moment ago. */
  async #handNew(prepared: PreparedJob): Promise<Enqueued> {
    const taken = await this.#intake.take(prepared);
    if (!prepared.repeatable || taken === 'kept') return answer(prepared, prepared, 'queued', taken);
    // Two callers may have come with one key: whoever was first is the answer to both.
    const stored = (await this.#known(prepared)) ?? prepared;
    const first = stored.requestedAt === prepared.requestedAt;
    return answer(prepared, stored, first ? 'queued' : 'duplicate', taken);
  }

  /** Enqueue gathered requests again that are open for longer than `olderThanMs`: their wake-up may have been lost. */
  async wakeOverdue(olderThanMs: number): Promise<number> {
    const before = new Date(this.#clock() - olderThanMs);
    // Requests to a job that no definition has any more wait for its return; they must not stop the others.
    const overdue = await this.#collectedRequests.overdue(this.#catalog.storedNames, before, MOST_OVERDUE);
    for (const request of overdue) {
      const definition = this.#catalog.getStored(request.job);
      const { attempts, priority } = definition;
      const requestedAt = request.requestedAt.getTime();
      const { id, tenant, payload, bodyHash } = request;
      const envelope: Envelope = { tenant, payload, ...(bodyHash && { bodyHash }) };
      await this.#intake.take({ id, definition, envelope, requestedAt, attempts, priority, repeatable: false });
    }
    return overdue.length;
  }

  /** What stands under this id already, when it is a repeat. Throws `idempotency-key-reused`. */
  async #known(prepared: PreparedJob): Promise<(Asked & { readonly taken: Taken }) | undefined> {
    const { id, definition, envelope, repeatable } = prepared;
    if (!repeatable) return undefined;
    const looking = this.#breaker.run(() => this.#queues.get(definition.queue).getJob(id));
    // A Redis that does not answer must not hold the caller up: the relay sees to a key that was used twice.
    const job = await unlessUnable(() =>
      within(
        KNOWN_MS,
        looking.then((found) => found ?? NO_JOB),
        slow,
      ),
    );
    const handed = job !== undefined && job !== NO_JOB;
    const stands = handed
      ? { envelope: job.data, requestedAt: requestedAtOf(job) }
      : await this.#kept(envelope.tenant, id);
    if (stands === undefined) return undefined;
    refuseOtherBody(id, envelope.bodyHash, stands.envelope.bodyHash);
    return { ...stands, taken: handed ? 'handed' : 'kept' };
  }

  async #kept(tenant: string, id: string): Promise<Asked | undefined> {
    const entry = await this.#intake.kept(tenant, id);
    if (entry === undefined) return undefined;
    return { envelope: envelopeSchema.parse(JSON.parse(entry.data)), requestedAt: entry.requestedAt };
  }
}

/** Throws `idempotency-key-reused` when both are known and differ. */
function refuseOtherBody(id: string, given: string | undefined, stands: string | undefined): void {
  if (given === undefined || stands === undefined || given === stands) return;
  throw new AppError('idempotency-key-reused', `The key was used for job ${id} with another request.`);
}

/** Refusals of a store or of the journal that do not say that anything is wrong with the request. */
const UNABLE: ReadonlySet<string> = new Set(['store-unavailable', 'journal-full', 'journal-unwritable']);

/** What `work` gives, or undefined while Redis is away or the journal takes nothing. */
async function unlessUnable<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (isAppError(error) && UNABLE.has(error.code)) return undefined;
    throw error;
  }
}

/** Field by field: this is made for each request, and spreading what may be absent has no fast path in V8. */
function envelopeOf(
  { tenant, payload, runAt, timeoutMs, tags, requestId }: EnqueueRequest,
  { expiresMs }: JobDefinition,
  requestedAt: number,
  number: string | undefined,
): Envelope {
  const envelope: Envelope = { tenant, payload };
  if (runAt !== undefined) envelope.runAt = runAt.getTime();
  if (expiresMs > 0) envelope.expiresAt = (runAt?.getTime() ?? requestedAt) + expiresMs;
  if (timeoutMs !== undefined) envelope.timeoutMs = timeoutMs;
  if (tags !== undefined && tags.length > 0) envelope.tags = [...tags];
  if (requestId !== undefined && requestId !== number) envelope.requestId = requestId;
  return envelope;
}

function samenessOf(request: EnqueueRequest, definition: JobDefinition, payload: unknown): Sameness | undefined {
  if (request.idempotencyKey !== undefined) return { kind: 'key', value: request.idempotencyKey };
  if (request.once !== undefined) return { kind: 'once', value: request.once };
  if (definition.once !== undefined) return { kind: 'once', value: definition.once(payload) };
  return undefined;
}

function bodyHashOf({ job, payload, attempts, priority, timeoutMs, tags }: EnqueueRequest): string {
  // Not runAt: a repeat of `delayMs: 5000` a second later asks for the same.
  return hashOf({ job, payload, attempts, priority, timeoutMs, tags });
}

function answer(
  { id, definition }: PreparedJob,
  { envelope: { runAt }, requestedAt }: Asked,
  status: Enqueued['status'],
  taken: Taken,
): Enqueued {
  const later = runAt !== undefined && runAt > requestedAt;
  return {
    status,
    id,
    job: definition.name,
    queue: definition.queue,
    state: taken === 'kept' ? 'accepted' : later ? 'delayed' : 'waiting',
    requestedAt: new Date(requestedAt).toISOString(),
    runAt: later ? new Date(runAt).toISOString() : undefined,
  };
}
