/**
 * What every cleanup job has in common: its payload, its result, one run at a time over all processes, progress.
 *
 * Promises: a run that comes while another one holds its turn waits for it without spending an attempt; with `dryRun`
 * nothing is removed. While a store is away the job comes back later, and what was removed until then stays removed.
 */

import { z } from 'zod';
import type { Expirable } from '../removal.ts';
import { DEFAULT_TENANT, type Resource } from '../resources.ts';
import { defineJob, type JobContext, type JobDefinition } from './job.ts';

/** What a cleanup job is asked. */
export const cleanupPayload = z.strictObject({ dryRun: z.boolean().default(false) });

/** What it answers: how much it removed, or would have. */
export const cleanupResult = z.object({ removed: z.int().min(0), bytes: z.int().min(0), dryRun: z.boolean() });

/** What one run of a cleanup job holds: the same for every tenant and process. */
export const sweep = (job: string): Resource => ({ kind: 'sweep', tenant: DEFAULT_TENANT, id: job });

export interface CleanupSpec {
  /** `cleanup.verb-object`. */
  readonly name: string;
  readonly about: string;
  /** A clock line: cron in UTC. Minutes are spread over the hour, so that no two cleanups come at once. */
  readonly every: string;
  /** Whose things grow old. */
  owner(context: JobContext): Expirable;
}

/** Define a cleanup job over what its owner calls expired. */
export function defineCleanup({ name, about, every, owner }: CleanupSpec): JobDefinition {
  return defineJob({
    name,
    about,
    payload: cleanupPayload,
    result: cleanupResult,
    example: {},
    every,
    timeoutMs: 600_000,

    exclusive: () => sweep(name),

    async run({ dryRun }, context) {
      const { signal, progress } = context;
      const removal = await owner(context).removeExpired({ dryRun, signal, told: (soFar) => progress({ ...soFar }) });
      return { ...removal, dryRun };
    },
  });
}
