/** A request that has been checked against its definition. */

import type { Envelope } from '../queue/envelope.ts';
import type { JobDefinition } from '../queue/job.ts';

/** A job whose id, times and payload are fixed: ready to be handed over. */
export interface PreparedJob {
  readonly id: string;
  readonly definition: JobDefinition;
  readonly envelope: Envelope;
  /** Milliseconds since 1970, when it was accepted. */
  readonly requestedAt: number;
  readonly attempts: number;
  readonly priority: number;
  /** Somebody may have asked for the same before. */
  readonly repeatable: boolean;
}
