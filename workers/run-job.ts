/**
 * One attempt at one job, top to bottom. What happens around every handler is `runJob`, and nothing else is.
 *
 * Promises: a payload is parsed again before it is used; nothing runs past its deadline; what is stale is forgotten, and
 * told about, before the job can be seen as completed. Every line may happen again: the attempt after a crash finds the
 * effect in the ledger and does the rest. A definition that declares none of it pays for none of it: its attempts ask
 * the ledger only where a tombstone or an effect may stand (`docs/decisions/0015-lean-attempts.md`).
 */

import { AppError } from '../src/errors.ts';
import { problemsFromZod } from '../src/problems.ts';
import { envelopeSchema, isRepeatableId, requestedAtOf } from '../src/queue/envelope.ts';
import type { JobDefinition } from '../src/queue/job.ts';
import type { Completion } from '../src/queue/queues.ts';
import type { Attempt, RunTools, TakenJob } from './attempt.ts';
import type { Ending } from './ending.ts';
import { collectedElsewhere, type Done, takeWork, type Work } from './gathering.ts';
import { HandlerContext } from './handler-context.ts';

/** Run one attempt. What it throws is judged by `outcomeOf`; `ending` is ended on shutdown or a lost job. */
export async function runJob(job: TakenJob, ending: Ending, tools: RunTools): Promise<Completion> {
  const attempt = begin(job, ending, tools);
  const { definition, envelope, payload } = attempt;
  const { tenant, timeoutMs = definition.timeoutMs } = envelope;
  ending.endIn(timeoutMs, () => new AppError('attempt-timed-out', `The attempt took longer than ${timeoutMs} ms.`));
  try {
    const before = mayBeFinished(attempt) ? await finishedBefore(attempt) : undefined;
    if (before === undefined) refuseExpired(attempt);
    const done =
      before ??
      (definition.collect && (await collectedElsewhere(attempt))) ??
      (await holding(attempt, async () => {
        const work = definition.collect === undefined ? ownWork(attempt) : await takeWork(attempt);
        if (work.kind === 'done') return work;
        const context = () => new HandlerContext(attempt, work.take);
        const returned = await (definition.isolated ? tools.isolate(attempt) : definition.run(work.input, context()));
        return { result: returned, into: undefined };
      }));
    const result = parseResult(definition, done.result);

    if (definition.invalidates !== undefined) await tools.cache.invalidate(definition.invalidates(payload, { tenant }));
    if (definition.announces !== undefined) {
      const announcements = definition.announces(payload, result, { tenant });
      for (const event of await tools.publisher.publish(tenant, job.id, announcements)) await tools.fire(event);
    }
    return done.into === undefined ? { result } : { result, collectedInto: done.into };
  } finally {
    ending.settle();
  }
}

/** Trust nothing that slept in a queue: the name, the envelope and the payload are checked again. */
function begin(job: TakenJob, ending: Ending, tools: RunTools): Attempt {
  const definition = tools.catalog.getStored(job.name);
  const envelope = envelopeSchema.safeParse(job.data);
  if (!envelope.success) throw new AppError('payload-invalid', 'The stored job has no valid envelope.');
  const requestedAt = requestedAtOf({ data: envelope.data, timestamp: job.timestamp });
  if (Number.isNaN(requestedAt)) throw new AppError('payload-invalid', 'The stored job has no time.');
  const payload = definition.payload.safeParse(envelope.data.payload);
  if (!payload.success) {
    const problems = problemsFromZod(payload.error, '/payload');
    const first = problems[0];
    throw new AppError('payload-invalid', `${first?.pointer ?? '/payload'}: ${first?.message ?? 'wrong'}`, {
      problems,
    });
  }
  const startedAt = new Date(tools.clock());
  return { job, definition, envelope: envelope.data, requestedAt, payload: payload.data, startedAt, ending, tools };
}

/** Where a tombstone or an effect may stand that this attempt must know of: the ledger is asked only then. */
function mayBeFinished(attempt: Attempt): boolean {
  const { exclusive, collect, invalidates, announces } = attempt.definition;
  const declares = (exclusive ?? collect ?? invalidates ?? announces) !== undefined;
  return declares || attempt.job.startedBefore || isRepeatableId(attempt.job.id) || mayHaveComeBack(attempt);
}

/** Was it handed over again, or may it have come back with an older state of Redis? */
function mayHaveComeBack({ envelope, requestedAt, tools }: Attempt): boolean {
  return envelope.recheck === true || requestedAt < tools.believedSinceMs();
}

/**
 * What the ledger knows of the job. A tombstone ends the attempt. A job that was handed over late or replayed may have
 * been finished before Redis forgot it: its stored result is used, and the handler does not run again. Where an effect
 * returned something else than its handler, the handler runs and `apply` gives it that.
 */
async function finishedBefore(attempt: Attempt): Promise<Done | undefined> {
  const { job, definition, tools } = attempt;
  const record = await tools.ledger.read(job.id);
  if (record.outcome === 'cancelled') throw new AppError('job-cancelled', 'The job was cancelled.');
  if (record.outcome === 'none' || !mayHaveComeBack(attempt)) return undefined;
  if (!definition.result.safeParse(record.result).success) return undefined;
  return { kind: 'done', into: undefined, result: record.result };
}

/** What an attempt works on that gathers nothing: its own payload. */
function ownWork({ payload }: Attempt): Work {
  return { kind: 'run', input: payload, take: takeNothing };
}

async function takeNothing(): Promise<void> {}

function refuseExpired({ job, envelope: { expiresAt }, startedAt }: Attempt): void {
  if (expiresAt === undefined || job.startedBefore || startedAt.getTime() <= expiresAt) return;
  throw new AppError('job-expired', `It should have started by ${new Date(expiresAt).toISOString()}.`);
}

/**
 * Do `work`, holding the definition's exclusive resource if it has one. Ends when the attempt or the lock does; isolated
 * work a little later, when its process is gone: the resource is held until then.
 */
function holding<T>({ definition, envelope, payload, ending, tools }: Attempt, work: () => Promise<T>): Promise<T> {
  const untilEnded = () => (definition.isolated ? work() : ending.unlessEnded(work));
  const resource = definition.exclusive?.(payload, { tenant: envelope.tenant });
  if (resource === undefined) return untilEnded();
  return tools.locks.hold(resource, { signal: ending.signal }, (held) => {
    ending.endWith(held);
    return untilEnded();
  });
}

function parseResult(definition: JobDefinition, returned: unknown): unknown {
  const result = definition.result.safeParse(returned);
  if (result.success) return result.data;
  const first = problemsFromZod(result.error)[0];
  throw new AppError('result-invalid', `${first?.pointer || '/'}: ${first?.message ?? 'wrong'}`);
}
