/**
 * What the driver asks for: every request of a run, in order, from the seed alone.
 *
 * Promises: each request has a number that no other has, in its payload; the same row gives the same requests. What must
 * become of each kind is written here, and nowhere else: the checker reads it.
 */

import type { Random } from './seed.ts';

/** What must become of an accepted job of this kind. */
export type Fate =
  /** One row in `chaos_effects`. */
  | 'effect'
  /** It ran at least once; it applies nothing. */
  | 'run'
  /** It ran and is a dead letter; it applies nothing. */
  | 'dead'
  /** It is refused with a 4xx and never runs. */
  | 'refused';

interface KindRow {
  readonly job: string;
  readonly fate: Fate;
  /** Requests in a hundred, more or less. */
  readonly weight: number;
}

export const KINDS = {
  apply: { job: 'learning.chaos-apply', fate: 'effect', weight: 46 },
  /** As `apply`, in another queue. */
  other: { job: 'cleanup.chaos-apply', fate: 'effect', weight: 8 },
  bare: { job: 'learning.chaos-bare', fate: 'run', weight: 9 },
  flaky: { job: 'learning.chaos-flaky', fate: 'effect', weight: 7 },
  dying: { job: 'learning.chaos-dying', fate: 'dead', weight: 4 },
  delayed: { job: 'learning.chaos-apply', fate: 'effect', weight: 8 },
  /** Delayed for so long that a Redis can be lost twice meanwhile. */
  late: { job: 'learning.chaos-apply', fate: 'effect', weight: 2 },
  exclusive: { job: 'learning.chaos-exclusive', fate: 'effect', weight: 4 },
  gathered: { job: 'learning.chaos-gathered', fate: 'effect', weight: 5 },
  /** A delayed job that is cancelled at once, if it still can be. */
  cancelled: { job: 'learning.chaos-apply', fate: 'effect', weight: 3 },
  /** As `cancelled`, of a job that no ledger row keeps from running. */
  withdrawn: { job: 'learning.chaos-bare', fate: 'run', weight: 2 },
  wrong: { job: 'learning.chaos-apply', fate: 'refused', weight: 6 },
} as const satisfies Record<string, KindRow>;

export type Kind = keyof typeof KINDS;

/** Kinds that are done within seconds. */
export const QUICK_KINDS: readonly Kind[] = Object.keys(KINDS)
  .filter(isKind)
  .filter((kind) => kind !== 'late');

/** Kinds that are cancelled soon after they were accepted. */
const CANCELLED: ReadonlySet<Kind> = new Set<Kind>(['cancelled', 'withdrawn']);

export function isKind(text: string): text is Kind {
  return Object.hasOwn(KINDS, text);
}

/** Attempts of `learning.chaos-dying`: the last one makes it a dead letter. */
export const DYING_ATTEMPTS = 2;

/** `single`: POST /v1/jobs; `bulk`: many in a JSON array; `stream`: many as lines. */
export type Route = 'single' | 'bulk' | 'stream';

export interface PlannedRequest {
  readonly n: number;
  readonly kind: Kind;
  /** The Idempotency-Key it carries. */
  readonly key: string | undefined;
  /** Send it twice, one right after the other. */
  readonly twice: boolean;
  /** Milliseconds after its answer at which it is cancelled. */
  readonly cancelAfterMs: number | undefined;
  /** The JSON body. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** What goes into one HTTP request. */
export interface Shipment {
  readonly route: Route;
  /** 0 up to 1: which of the web processes it goes to. */
  readonly draw: number;
  readonly requests: readonly PlannedRequest[];
}

export interface PlanOptions {
  readonly random: Random;
  /** The first number. */
  readonly base: number;
  /** Put before every key, so that no run meets another's. */
  readonly name: string;
  /** Kinds to choose from; all unless told. */
  readonly kinds?: readonly Kind[] | undefined;
  /** Shares of the routes among HTTP requests; single ones only unless told. */
  readonly routes?: Readonly<Partial<Record<Route, number>>> | undefined;
  /** Share of requests that carry a key. */
  readonly keyed?: number | undefined;
  /** Jobs in a bulk request or a stream, at most. */
  readonly largest?: number | undefined;
}

const KEYED = 0.3;
const TWICE = 0.15;
const LARGEST = 40;
const LATEST_CANCEL_MS = 400;

/** The run's HTTP requests, without end. */
export function* planRequests(options: PlanOptions): Generator<Shipment, never> {
  const { random, name, kinds = Object.keys(KINDS).filter(isKind), routes = {}, keyed = KEYED } = options;
  const kindRows = kinds.map((kind) => [kind, KINDS[kind].weight] as const);
  const routeRows = Object.entries({ single: 1, bulk: 0, stream: 0, ...routes }).filter(([, share]) => share > 0);
  let n = options.base;
  for (;;) {
    const route = random.weighted(routeRows as [Route, number][]);
    const size = route === 'single' ? 1 : random.whole(2, options.largest ?? LARGEST);
    const requests: PlannedRequest[] = [];
    for (let i = 0; i < size; i++) {
      const kind = random.weighted(kindRows);
      const key = random.chance(keyed) ? `${name}-${n}` : undefined;
      const twice = key !== undefined && route === 'single' && random.chance(TWICE);
      const cancelAfterMs = CANCELLED.has(kind) ? random.whole(0, LATEST_CANCEL_MS) : undefined;
      requests.push({ n, kind, key, twice, cancelAfterMs, body: bodyOf(n, kind, random) });
      n += 1;
    }
    yield { route, draw: random.next(), requests };
  }
}

function bodyOf(n: number, kind: Kind, random: Random): Record<string, unknown> {
  const { job } = KINDS[kind];
  const ms = random.chance(0.7) ? 0 : random.whole(1, 40);
  switch (kind) {
    case 'apply':
    case 'other':
      return { job, payload: { n, ms, pad: 'x'.repeat(random.whole(0, 300)) } };
    case 'bare':
    case 'dying':
      return { job, payload: { n } };
    case 'flaky':
      return { job, payload: { n, fails: random.whole(1, 3) } };
    case 'delayed':
      return { job, payload: { n, ms }, delayMs: random.whole(100, 2500) };
    case 'late':
      return { job, payload: { n, ms }, delayMs: random.whole(8000, 25_000) };
    case 'exclusive':
      return { job, payload: { n, flow: random.whole(1, 5) } };
    case 'gathered':
      return { job, payload: { n, key: random.whole(1, 5) } };
    case 'cancelled':
      return { job, payload: { n, ms }, delayMs: random.whole(500, 4000) };
    case 'withdrawn':
      return { job, payload: { n }, delayMs: random.whole(2000, 4000) };
    case 'wrong':
      return random.pick([
        { job, payload: { n, ms, surplus: true } },
        { job: 'learning.no-such-job', payload: { n } },
        { job, payload: { n, ms }, delayMs: -1 },
        { job, payload: { n: String(n), ms } },
      ]);
  }
}
