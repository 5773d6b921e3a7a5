/** What the checker is given, and what it says. The stores' side of it is read by `store-evidence.ts`. */

/** Where BullMQ has a job. */
export type JobPlace = 'waiting' | 'active' | 'delayed' | 'completed' | 'failed';

/** A job as it stands in Redis. */
export interface StandingJob {
  readonly n: number;
  readonly id: string;
  readonly state: JobPlace;
  /** The code it failed with. */
  readonly code: string | undefined;
}

/** The journals of all web processes together, in entries. */
export interface JournalLook {
  /** Accepted, not handed over. */
  readonly pending: number;
  /** Handed over, outcome not seen. */
  readonly open: number;
  /** Refused three times. */
  readonly setAside: number;
}

export interface Evidence {
  /** The driver's log, from its beginning at each call. */
  lines(): AsyncIterable<string>;
  /** Rows of `chaos_effects`. */
  effects(): AsyncIterable<{ readonly n: number; readonly id: string }>;
  /** Each time that a handler was entered; attempts count from 1. */
  runs(): AsyncIterable<{ readonly n: number; readonly id: string; readonly attempt: number }>;
  /** Every job that Redis holds. */
  jobs(): AsyncIterable<StandingJob>;
  /** Ids of cancelled jobs in the ledger. */
  tombstones(): AsyncIterable<string>;
  readonly journal: JournalLook;
}

/** The books of a run, in requests. */
export interface Accounts {
  readonly requests: number;
  /** Answered 202, or not answered and found in a store all the same. */
  readonly accepted: number;
  readonly refused: number;
  /** Answered 5xx, or not at all; those that took effect are among the accepted ones too. */
  readonly unknown: number;
  readonly completed: number;
  readonly dead: number;
  readonly cancelled: number;
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
  /** Accepted and in no store: journalled, or lost. */
  readonly missing: number;
}

export type ViolationRule =
  | 'lost'
  | 'duplicate'
  | 'ghost'
  | 'two-ids'
  | 'two-jobs'
  | 'contradiction'
  | 'accepted'
  | 'refused'
  | 'cancelled'
  | 'dead'
  | 'unfinished'
  | 'unaccounted'
  | 'unsettled';

export interface Violation {
  readonly rule: ViolationRule;
  /** The request's number; undefined when it is about all of them. */
  readonly n: number | undefined;
  readonly text: string;
}

export interface Verdict {
  readonly accounts: Accounts;
  readonly violations: readonly Violation[];
  /** Violations that were only counted. */
  readonly more: number;
}
