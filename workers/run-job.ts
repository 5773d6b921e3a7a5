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
import { envelopeSchema } from '../src/queue/envelope.ts';
import type { JobDefinition } from '../src/queue/job.ts';
import type { Completion } from '../src/queue/queues.ts';
import type { Attempt, RunTools, TakenJob } from './attempt.ts';
import type { Ending } from './ending.ts';
import { collectedElsewhere, type Done, takeWork } from './gathering.ts';
import { HandlerContext } from './handler-context.ts';

/** Run one attempt. What it throws is judged by `outcomeOf`; `ending` is ended on shutdown or a lost job. */
export async function runJob(job: TakenJob, ending: Ending, tools: RunTools): Promise<Completion> {
  const attempt = begin(job, ending, tools);
  const { definition, envelope, payload } = attempt;
  const { tenant, timeoutMs } = envelope;
  ending.endIn(timeoutMs, () => new AppError('attempt-timed-out', `The attempt took longer than ${timeoutMs} ms.`));
  try {
    const before = await finishedBefore(attempt);
    if (before === undefined) refuseExpired(attempt);
    const done =
      before ??
      (await collectedElsewhere(attempt)) ??
      (await holding(attempt, async () => {
        const work = await takeWork(attempt);
        if (work.kind === 'done') return work;
        const returned = await definition.run(work.input, new HandlerContext(attempt, work.take));
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
  const payload = definition.payload.safeParse(envelope.data.payload);
  if (!payload.success) {
    const problems = problemsFromZod(payload.error, '/payload');
    const first = problems[0];
    throw new AppError('payload-invalid', `${first?.pointer ?? '/payload'}: ${first?.message ?? 'wrong'}`, {
      problems,
    });
  }
  const startedAt = new Date(tools.clock());
  return { job, definition, envelope: envelope.data, payload: payload.data, startedAt, ending, tools };
}

/**
 * What the ledger knows of the job, asked only where it can matter: a tombstone ends the attempt. A job that was handed
 * over late or replayed may have been finished before Redis forgot it: its stored result is used, and the handler does
 * not run again. Where an effect returned something else than its handler, the handler runs and `apply` gives it that.
 */
async function finishedBefore({ job, definition, envelope, tools }: Attempt): Promise<Done | undefined> {
  const recheck = envelope.recheck === true;
  if (!recheck && !job.startedBefore && !declaresAnything(definition)) return undefined;
  const record = await tools.ledger.read(job.id);
  if (record.outcome === 'cancelled') throw new AppError('job-cancelled', 'The job was cancelled.');
  if (!recheck || record.outcome === 'none' || !definition.result.safeParse(record.result).success) return undefined;
  return { kind: 'done', into: undefined, result: record.result };
}

function declaresAnything({ exclusive, collect, invalidates, announces }: JobDefinition): boolean {
  return (exclusive ?? collect ?? invalidates ?? announces) !== undefined;
}

function refuseExpired({ job, envelope: { expiresAt }, startedAt }: Attempt): void {
  if (expiresAt === undefined || job.startedBefore || startedAt.getTime() <= expiresAt) return;
  throw new AppError('job-expired', `It should have started by ${new Date(expiresAt).toISOString()}.`);
}

/** Do `work`, holding the definition's exclusive resource if it has one. Ends when the attempt or the lock does. */
async function holding<T>({ definition, envelope, payload, ending, tools }: Attempt, work: () => Promise<T>) {
  const resource = definition.exclusive?.(payload, { tenant: envelope.tenant });
  if (resource === undefined) return ending.unlessEnded(work);
  return tools.locks.hold(resource, { signal: ending.signal }, (held) => {
    ending.endWith(held);
    return ending.unlessEnded(work);
  });
}

function parseResult(definition: JobDefinition, returned: unknown): unknown {
  const result = definition.result.safeParse(returned);
  if (result.success) return result.data;
  const first = problemsFromZod(result.error)[0];
  throw new AppError('result-invalid', `${first?.pointer || '/'}: ${first?.message ?? 'wrong'}`);
}
