/**
 * What the board lets a person do, as functions over a request: prove that a write comes from the board's own page, and
 * which writes there are at all.
 *
 * The board's library has 24 ways to write. Those that could lose an accepted job, or put one in that no definition has
 * checked, are never open; the API does these things properly.
 */

import type { IncomingHttpHeaders } from 'node:http';

/**
 * Does a write come from a page of this very site? Browsers say so in Sec-Fetch-Site where the connection is secure or
 * local, and in Origin always; a request that says neither is not from the board.
 */
export function isFromOwnPage({ host, origin, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
  if (site !== undefined) return site === 'same-origin';
  if (origin === undefined || host === undefined) return false;
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}

/** A request to the board's own API, as the library routes it. */
export interface BoardRequest {
  /** The pattern, such as `/api/queues/:queueName/:jobId/retry`. */
  readonly route: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** States of a job whose removal loses no accepted work. */
const ENDED = new Set(['completed', 'failed']);

const JOB = '/api/queues/:queueName/:jobId';
const QUEUE = '/api/queues/:queueName';

/** The writes that `BOARD_WRITES=on` opens. */
const OPEN_WRITES = new Set([
  `${JOB}/retry`,
  `${JOB}/promote`,
  `${JOB}/clean`,
  `${QUEUE}/retry/:queueStatus`,
  `${QUEUE}/promote`,
  `${QUEUE}/clean/:queueStatus`,
]);

/** Does this only look? */
export function isRead(method: string): boolean {
  return /^(get|head)$/i.test(method);
}

/** Why a write is refused even when writes are on; undefined when it is allowed. `stateOf` reads a job's state. */
export async function whyRefused(
  { route, params }: BoardRequest,
  stateOf: (queue: string, jobId: string) => Promise<string>,
): Promise<string | undefined> {
  if (!OPEN_WRITES.has(route))
    return 'The board can retry, promote and remove jobs; for anything else there is the API.';
  const { queueName, jobId, queueStatus } = params;
  if (route.includes('/promote')) return undefined;
  const state = String(queueStatus ?? (await stateOf(String(queueName), String(jobId))));
  if (state === 'unknown') return undefined;
  if (route.includes('/retry')) return state === 'failed' ? undefined : 'Only failed jobs can be retried.';
  if (ENDED.has(state)) return undefined;
  return 'Only finished jobs can be removed. Cancel any other with DELETE /v1/jobs/{id}, so that no replay raises it.';
}
