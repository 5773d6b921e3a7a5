/**
 * What the fixture jobs leave behind for the checker: a line in a file for each run, a row for each effect.
 *
 * Promises: a run's line is with the system before the work begins, whatever is killed then; the row is written inside
 * the transaction of `apply`. The table holds duplicates gladly, for they are what is looked for.
 */

import { appendFileSync } from 'node:fs';
import { sql } from 'kysely';
import type { Transaction } from '../../../src/database/schema.ts';
import type { JobContext } from '../../../src/queue/job.ts';

/** Name of the variable with the path of the file of runs. */
export const RUNS_VARIABLE = 'CHAOS_RUNS';

/** The table of effects, made once for a service. */
export const EFFECTS_TABLE =
  'CREATE TABLE chaos_effects (seq bigserial PRIMARY KEY, n bigint NOT NULL, job_id text NOT NULL, ' +
  'at timestamptz NOT NULL DEFAULT clock_timestamp())';

/** Say that a handler was entered. */
export function recordRun(n: number, { id, attempt }: JobContext['job']): void {
  appendFileSync(process.env[RUNS_VARIABLE] ?? '', `${n} ${id} ${attempt}\n`);
}

/** Apply the effect of request `n`, which job `id` asked for. */
export async function recordEffect(tx: Transaction, n: number, id: string): Promise<void> {
  await sql`INSERT INTO chaos_effects (n, job_id) VALUES (${n}, ${id})`.execute(tx);
}
