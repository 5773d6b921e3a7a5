/**
 * What every cleanup job has in common: its payload, its result, one run at a time over all processes, progress.
 *
 * Promises: a run that comes while another one holds its turn waits for it without spending an attempt; with `dryRun`
 * nothing is removed. While a store is away the job comes back later, and what was removed until then stays removed.
 */

import { z } from 'zod';
import type { Expirable, Removal } from '../removal.ts';
import { DEFAULT_TENANT } from '../resources.ts';
import { defineJob, type Effort, type JobContext, type JobDefinition } from './job.ts';

const payload = z.strictObject({ dryRun: z.boolean().default(false) });

/** What a cleanup answers: how much it removed, or would have. */
const result = z.object({ removed: z.int().min(0), bytes: z.int().min(0), dryRun: z.boolean() });

export interface CleanupSpec<R extends Removal> extends Partial<Effort> {
  /** `cleanup.verb-object`. */
  readonly name: string;
  readonly about: string;
  /** A clock line: cron in UTC, or milliseconds. Minutes are spread over the hour, so that no two come at once. */
  readonly every: string | number;
  /** What it answers besides. */
  readonly also?: Readonly<Record<Exclude<keyof R, keyof Removal>, z.ZodType>>;
  /** Whose things grow old. */
  owner(context: JobContext): Expirable<R>;
}

/** Define a cleanup job over what its owner calls expired. */
export function defineCleanup<R extends Removal = Removal>(spec: CleanupSpec<R>): JobDefinition {
  const { owner, also = {}, ...described } = spec;
  return defineJob({
    timeoutMs: 600_000,
    ...described,
    payload,
    result: result.extend(also),
    example: {},

    // The same for every tenant and process.
    exclusive: () => ({ kind: 'sweep', tenant: DEFAULT_TENANT, id: described.name }),

    async run({ dryRun }, context) {
      const { signal, progress } = context;
      const removal = await owner(context).removeExpired({ dryRun, signal, told: (soFar) => progress({ ...soFar }) });
      return { ...removal, dryRun };
    },
  });
}
