/**
 * Which jobs Redis has, in whatever state: what PostgreSQL remembers of them is needed as long.
 *
 * While Redis is away it rejects with `store-unavailable`.
 */

import type { Breaker } from '../redis/breaker.ts';
import type { Redis } from '../redis/connections.ts';
import { queueOfJobId } from './envelope.ts';

export interface StandingJobsOptions {
  readonly redis: Redis;
  readonly breaker: Pick<Breaker, 'run'>;
  /** BullMQ's key prefix. */
  readonly prefix: string;
}

/** Those of these jobs that Redis has. An id that is none of ours stands nowhere. */
export async function standingJobs(
  { redis, breaker, prefix }: StandingJobsOptions,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const ours = ids.filter((id) => queueOfJobId(id) !== undefined);
  if (ours.length === 0) return new Set();
  const pipeline = redis.pipeline();
  for (const id of ours) pipeline.exists(`${prefix}:${queueOfJobId(id)}:${id}`);
  const answers = await breaker.run(async () => (await pipeline.exec()) ?? []);
  const standing = new Set<string>();
  for (const [place, id] of ours.entries()) {
    const [error, found] = answers[place] ?? [];
    if (error) throw error;
    if (found === 1) standing.add(id);
  }
  return standing;
}
