/** What grows old in the stores of the machinery itself, and who removes it. Other capabilities look after their own. */

import type { RecordRemoval } from '../database/old-records.ts';
import type { Expirable } from '../removal.ts';
import type { StrayRemoval } from './stray-jobs.ts';

export interface Housekeeping {
  readonly finishedJobs: Expirable;
  readonly strayJobs: Expirable<StrayRemoval>;
  readonly oldRecords: Expirable<RecordRemoval>;
  readonly eventStreams: Expirable;
  readonly journalMarks: Expirable;
}
