/** What grows old in the stores of the machinery itself, and who removes it. Other capabilities look after their own. */

import type { OldRecords } from '../database/old-records.ts';
import type { Expirable } from '../removal.ts';
import type { FinishedJobs } from './finished-jobs.ts';
import type { StrayJobs } from './stray-jobs.ts';

export interface Housekeeping {
  readonly finishedJobs: FinishedJobs;
  readonly strayJobs: StrayJobs;
  readonly oldRecords: OldRecords;
  readonly eventStreams: Expirable;
  readonly journalMarks: Expirable;
}
