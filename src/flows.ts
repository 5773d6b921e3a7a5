/**
 * The state of long-running flows, for whoever watches them: the whole state for minutes, its summary for an hour.
 *
 * Promises: the summary outlives the state twelvefold. Both are in the cache Redis and nowhere else: they may be gone at
 * any time, and while the cache is away nothing is kept and nothing is found.
 */

import type { Cache } from './cache.ts';

/** What a flow says of itself: `status`, `phase`, `progress` in percent, and whatever else it carries. */
export type FlowState = Readonly<Record<string, unknown>>;

/** How many times as long as the state its summary lives. */
const META_LIVES = 12;
const STATE_TTL_SECONDS = 300;

export interface FlowsOptions {
  readonly cache: Cache;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

export class Flows {
  readonly #cache: Cache;
  readonly #clock: () => number;

  constructor({ cache, clock = Date.now }: FlowsOptions) {
    this.#cache = cache;
    this.#clock = clock;
  }

  /** Keep a flow's state for `ttlSeconds`, and its summary for twelve times that. False when the cache is away. */
  async setState(tenant: string, id: string, state: FlowState, ttlSeconds = STATE_TTL_SECONDS): Promise<boolean> {
    const { status = null, phase = null, progress = null } = state;
    const meta = { status, phase, progress, updated_at: new Date(this.#clock()).toISOString() };
    const kept = await Promise.all([
      this.#cache.writeFlow('flowState', { tenant, id }, state, ttlSeconds),
      this.#cache.writeFlow('flowMeta', { tenant, id }, meta, META_LIVES * ttlSeconds),
    ]);
    return kept.every(Boolean);
  }

  /** A flow's state; the text as it stands if it is not JSON; undefined when there is none or the cache is away. */
  state(tenant: string, id: string): Promise<unknown> {
    return this.#cache.readFlow('flowState', { tenant, id });
  }

  /** A flow's summary, under the same conditions: `{ status, phase, progress, updated_at }`, the last in ISO 8601, UTC. */
  meta(tenant: string, id: string): Promise<unknown> {
    return this.#cache.readFlow('flowMeta', { tenant, id });
  }
}
