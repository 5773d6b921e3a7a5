/**
 * One attempt at one job, top to bottom. What happens around every handler is `runJob`, and nothing else is.
 *
 * Promises: a payload is parsed again before it is used; a tombstone ends the attempt; nothing runs past its deadline;
 * what is stale is forgotten, and told about, before the job can be seen as completed. Every line may happen again:
 * the attempt after a crash finds the effect in the ledger and does the rest.
 */

import { AppError } from '../src/errors.ts';
import { problemsFromZod } from '../src/problems.ts';
import { envelopeSchema } from '../src/queue/envelope.ts';
import type { JobContext, JobDefinition } from '../src/queue/job.ts';
import type { Completion } from '../src/queue/queues.ts';
import type { Attempt, RunTools, TakenJob } from './attempt.ts';
import { collectedElsewhere, type TakeRequests, takeWork } from './gathering.ts';

/** Run one attempt. What it throws is judged by `outcomeOf`; `stop` aborts on shutdown or a lost job. */
export async function runJob(job: TakenJob, stop: AbortSignal, tools: RunTools): Promise<Completion> {
  const attempt = begin(job, tools);
  const { definition, envelope, payload } = attempt;
  const about = { tenant: envelope.tenant };
  const deadline = deadlineAfter(envelope.timeoutMs, stop);
  try {
    await refuseCancelled(attempt);
    const done =
      (await collectedElsewhere(attempt)) ??
      (await holding(attempt, deadline.signal, async (signal) => {
        const work = await takeWork(attempt);
        if (work.kind === 'done') return work;
        const returned = await definition.run(work.input, contextOf(attempt, signal, work.take));
        return { result: returned, into: undefined };
      }));
    const result = parseResult(definition, done.result);

    await tools.cache.invalidate(definition.invalidates?.(payload, about) ?? []);
    const announcements = definition.announces?.(payload, result, about) ?? [];
    for (const event of await tools.publisher.publish(envelope.tenant, job.id, announcements)) await tools.fire(event);
    return done.into === undefined ? { result } : { result, collectedInto: done.into };
  } finally {
    deadline.clear();
  }
}

/** Trust nothing that slept in a queue: the name, the envelope and the payload are checked again. */
function begin(job: TakenJob, tools: RunTools): Attempt {
  const definition = tools.catalog.getStored(job.name);
  const envelope = envelopeSchema.safeParse(job.data);
  if (!envelope.success) throw new AppError('payload-invalid', 'The stored job has no valid envelope.');
  const payload = definition.payload.safeParse(envelope.data.payload);
  if (!payload.success) {
    const problems = problemsFromZod(payload.error, '/payload');
    const first = problems[0];
    throw new AppError('payload-invalid', `${first?.pointer ?? '/payload'}: ${first?.message ?? 'wrong'}`, {
      problems,
    });
  }
  const nowMs = tools.clock();
  const { expiresAt } = envelope.data;
  if (expiresAt !== undefined && nowMs > expiresAt && !job.startedBefore) {
    throw new AppError('job-expired', `It should have started by ${new Date(expiresAt).toISOString()}.`);
  }
  return { job, definition, envelope: envelope.data, payload: payload.data, startedAt: new Date(nowMs), tools };
}

async function refuseCancelled({ job, tools }: Attempt): Promise<void> {
  const record = await tools.ledger.read(job.id);
  if (record.outcome === 'cancelled') throw new AppError('job-cancelled', 'The job was cancelled.');
}

/** One signal for everything that ends an attempt early: its deadline, or `stop`. */
function deadlineAfter(ms: number, stop: AbortSignal): { signal: AbortSignal; clear(): void } {
  const deadline = new AbortController();
  const expired = () => deadline.abort(new AppError('attempt-timed-out', `The attempt took longer than ${ms} ms.`));
  const timer = setTimeout(expired, ms);
  return { signal: AbortSignal.any([deadline.signal, stop]), clear: () => clearTimeout(timer) };
}

/** Do `work`, holding the definition's exclusive resource if it has one. Ends when `signal` or the lock does. */
async function holding<T>(
  attempt: Attempt,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { definition, envelope, payload, tools } = attempt;
  const resource = definition.exclusive?.(payload, { tenant: envelope.tenant });
  if (resource === undefined) return abortable(signal, work);
  return tools.locks.hold(resource, { signal }, (held) => abortable(AbortSignal.any([signal, held]), work));
}

/**
 * Run `work` until its signal aborts. The attempt ends then, whether or not the handler listens: a handler that goes on
 * holds no lock and can no longer apply anything.
 */
async function abortable<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work(signal), aborted]);
  } finally {
    if (stop !== undefined) signal.removeEventListener('abort', stop);
  }
}

function contextOf(attempt: Attempt, signal: AbortSignal, take: TakeRequests): JobContext {
  const { job, definition, envelope, tools } = attempt;
  const { tenant, requestId } = envelope;
  const entry = { jobId: job.id, tenant, job: definition.name };
  return {
    ...tools.services,
    job: {
      id: job.id,
      name: definition.name,
      tenant,
      attempt: job.failedAttempts + 1,
      requestedAt: new Date(envelope.requestedAt),
    },
    logger: tools.logger.child({ jobId: job.id, job: definition.name, tenant, ...(requestId && { requestId }) }),
    signal,
    progress: (value) => job.progress(value),
    enqueue: (request) => tools.producer.enqueue({ ...request, tenant, requestId }),
    wakeOverdue: (graceMs) => tools.wakeOverdue(graceMs),
    apply: (effect) => {
      signal.throwIfAborted();
      return tools.ledger.apply(entry, async (tx) => {
        await take(tx);
        // An effect that hangs must not keep its connection and its ledger row past the attempt.
        const result = await abortable(signal, () => effect(tx));
        signal.throwIfAborted();
        return result;
      });
    },
  };
}

function parseResult(definition: JobDefinition, returned: unknown): unknown {
  const result = definition.result.safeParse(returned);
  if (result.success) return result.data;
  const first = problemsFromZod(result.error)[0];
  throw new AppError('result-invalid', `${first?.pointer || '/'}: ${first?.message ?? 'wrong'}`);
}
