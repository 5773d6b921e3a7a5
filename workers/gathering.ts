/**
 * What an attempt works on: its own payload, or, for a definition with `collect`, every open request of its key.
 *
 * Promises: a request is kept before it waits; a run takes requests in the transaction of its effect, so that each is
 * done by exactly one run; a retry and a last attempt take their own request alone, so that one bad request cannot kill
 * its neighbours.
 */

import type { CollectKey, Turn } from '../src/collected-requests.ts';
import type { Transaction } from '../src/database/schema.ts';
import { Snooze } from '../src/errors.ts';
import type { Requested } from '../src/queue/job.ts';
import type { Attempt } from './attempt.ts';

/** Marks the requests of a run as taken, inside the transaction of its effect. */
export type TakeRequests = (tx: Transaction) => Promise<void>;

/** The work was done by the run `into`; undefined when it was an earlier attempt of this very job. */
export interface Done {
  readonly kind: 'done';
  readonly into: string | undefined;
  readonly result: unknown;
}

/** Something to do, or something that is done. */
export type Work = { readonly kind: 'run'; readonly input: unknown; readonly take: TakeRequests } | Done;

const ALONE = { windowMs: 0, rateMs: 0 } as const;

/**
 * For a gathering definition: keep the request and see whose turn it is. Returns the result when a run has taken it,
 * undefined when it should run now; throws `Snooze` when it must wait. Needs no lock.
 */
export async function collectedElsewhere(attempt: Attempt): Promise<Done | undefined> {
  const collect = collectKeyOf(attempt);
  if (collect === undefined) return undefined;
  const { job, envelope, tools } = attempt;
  const requestedAt = new Date(attempt.requestedAt);
  await tools.collectedRequests.add(collect, { id: job.id, requestedAt, payload: envelope.payload });
  return turnOf(attempt, collect);
}

/** The work of an attempt that holds its resource. Looks again: another run may have taken the request meanwhile. */
export async function takeWork(attempt: Attempt): Promise<Work> {
  const { job, definition, payload, startedAt, tools } = attempt;
  const collect = collectKeyOf(attempt);
  if (collect === undefined) return { kind: 'run', input: payload, take: async () => {} };
  const done = await turnOf(attempt, collect);
  if (done !== undefined) return done;
  const company = job.lastAttempt ? ALONE : paceOf(attempt);
  const open = await tools.collectedRequests.open(collect, job.id, company);
  const requests = open.map(
    (each): Requested<unknown> => ({ ...each, payload: definition.payload.parse(each.payload) }),
  );
  const ids = requests.map((request) => request.id);
  const take: TakeRequests = (tx) => tools.collectedRequests.take(tx, collect, ids, job.id, startedAt);
  return { kind: 'run', input: requests, take };
}

async function turnOf(attempt: Attempt, collect: CollectKey): Promise<Done | undefined> {
  const { job, tools } = attempt;
  const nowMs = tools.clock();
  const turn: Turn = await tools.collectedRequests.turn(collect, job.id, paceOf(attempt), nowMs);
  switch (turn.kind) {
    case 'run':
      return undefined;
    case 'wait':
      throw new Snooze(turn.untilMs - nowMs, 'Requests are being gathered.');
    case 'collected':
      return { kind: 'done', into: turn.into === job.id ? undefined : turn.into, result: turn.result };
  }
}

function collectKeyOf({ definition, envelope, payload }: Attempt): CollectKey | undefined {
  if (definition.collect === undefined) return undefined;
  return { tenant: envelope.tenant, job: definition.name, key: definition.collect(payload) };
}

function paceOf({ job, tools }: Attempt) {
  return job.failedAttempts > 0 ? ALONE : tools.pace;
}
