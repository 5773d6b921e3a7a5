/**
 * The port to whoever owns countable facts: edits, mails, files, replies.
 *
 * Promises of a source: one question, answered for all tenants; amounts of neighbouring spans add up; asked again about
 * the same span it gives the same amounts plus what came late. While its store is away it rejects with
 * `store-unavailable`.
 */

/** How much of a kind happened within the span that was asked about. */
export interface Count {
  readonly tenant: string;
  /** Such as `mail.sent`: becomes the name of a series. */
  readonly kind: string;
  readonly amount: number;
}

export interface CountSource {
  /** What happened from `from` (included) up to `to` (not included). */
  countsBetween(from: Date, to: Date): Promise<readonly Count[]>;
}

/** Stands where a tenant does for what belongs to the whole service. No tenant can be called so. */
export const WHOLE_SERVICE = '*';
