/**
 * How the service is: `/health` for people and monitors, `/livez` and `/readyz` for what starts and routes to it.
 *
 * Promises: every probe is bounded by 1 s and all run at the same time; however many ask, one look is under way. A store
 * that is away is told in `services` with its reason, and never makes these calls reject.
 *
 * `/health` is `error` (503) when no job can be accepted, or none safely: the journal refuses, or the queue Redis is
 * wrongly set up. It is `degraded` (200) when something is away or nobody works on waiting jobs. A load balancer asks
 * `/readyz`: it writes to the queue Redis, and stays ready while Redis or PostgreSQL is away, for then jobs are still
 * accepted; but no process becomes ready before PostgreSQL has answered it once.
 */

import type { AcceptanceFigures } from '../accepting/acceptance.ts';
import { type Database, pingDatabase } from '../database/connection.ts';
import { messageOf } from '../errors.ts';
import { within } from '../lifecycle.ts';
import { queueKeys } from '../redis/keys.ts';
import type { StoreVerdict } from './store-verdict.ts';

/** What is looked at of each queue. */
export interface QueueLook {
  readonly name: string;
  readonly counts: { readonly waiting: number; readonly prioritized: number };
  readonly workers: number;
  readonly paused: boolean;
}

/** A part of the service that it can do without, and how it is set up. */
export interface Feature {
  readonly name: string;
  /** Such as `remote` or `not configured`. */
  readonly state: string;
  /** Good for trying, not for relying on. */
  readonly experimental: boolean;
  /** What to do, where it is not set up. */
  readonly reason?: string;
}

interface Answering {
  ping(): Promise<unknown>;
}

interface Writable extends Answering {
  set(key: string, value: string, unit: 'EX', seconds: number): Promise<unknown>;
}

export interface HealthOptions {
  readonly database: Database;
  /** Queue Redis. */
  readonly redis: Writable;
  readonly cacheRedis: Answering;
  /** Looks at every queue. */
  readonly queues: { queues(): Promise<readonly QueueLook[]> };
  readonly storeCheck: { readonly verdict: StoreVerdict };
  /** The language model's endpoint: looked at from outside, never needed to be ready. */
  readonly model: { status(): Promise<ModelState> };
  readonly acceptance: { readonly figures: Pick<AcceptanceFigures, 'pending' | 'behindMs' | 'setAside' | 'trouble'> };
  /** Looks at what the service can do without; nothing unless given. Does not reject. */
  readonly features?: () => Promise<readonly Feature[]>;
  readonly keyPrefix: string;
  /** Names this process in the key that `/readyz` writes. */
  readonly processId: string;
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
}

/** How the model is: an endpoint that was never set is no fault. */
type ModelState = 'available' | 'unavailable' | 'not configured';

/** The answer of `/health`. */
export interface HealthReport {
  readonly status: 'ok' | 'degraded' | 'error';
  readonly services: {
    readonly database: 'connected' | 'disconnected';
    readonly redis: 'connected' | 'misconfigured' | 'disconnected';
    readonly cache: 'connected' | 'memory-fallback';
    /** `stalled`: jobs wait and nobody works on them. */
    readonly queue: 'healthy' | 'stalled' | 'unavailable';
    /** `not configured`: there are no AI replies, and nothing is wrong with that. */
    readonly model: ModelState;
  };
  /** `behind`: jobs wait in it for Redis. `refusing`: nothing can be accepted. */
  readonly journal: 'accepting' | 'behind' | 'refusing';
  /** What the service can do without, and how it is set up here: no fault, whatever it says. */
  readonly features: Readonly<Record<string, string>>;
  /** Those features that are good for trying, not for relying on. */
  readonly experimental: readonly string[];
  /** For each service that is not as it should be, why and what to do; `warnings` for what is accepted. */
  readonly reasons: Readonly<Record<string, string>>;
  readonly version: string;
  /** Seconds since this process started. */
  readonly uptime: number;
}

/** The answer of `/readyz`: 200 when ready, else 503. */
export interface Readiness {
  readonly ready: boolean;
  /** Why not; and, while ready, what is away all the same. */
  readonly reasons: readonly string[];
}

const PROBE_MS = 1000;
const READINESS_TTL_SECONDS = 10;
/** Milliseconds for which jobs may wait for Redis before that is told. */
const BEHIND_MS = 1000;

export class Health {
  readonly #options: HealthOptions;
  readonly #clock: () => number;
  readonly #startedMs: number;
  #draining = false;
  #databaseAnswered = false;
  #report: Promise<HealthReport> | undefined;
  #readiness: Promise<Readiness> | undefined;
  #ping: Promise<void> | undefined;

  constructor(options: HealthOptions) {
    this.#options = options;
    this.#clock = options.clock ?? Date.now;
    this.#startedMs = this.#clock();
  }

  /** From now on not ready: the process is stopping. */
  drain(): void {
    this.#draining = true;
  }

  /** That this is answered says that the event loop turns. */
  live(): { status: 'ok'; uptime: number } {
    return { status: 'ok', uptime: this.#uptime() };
  }

  /** How every service is. Never rejects; takes at most 1 s. */
  report(): Promise<HealthReport> {
    this.#report ??= this.#look().finally(() => {
      this.#report = undefined;
    });
    return this.#report;
  }

  /** May requests be sent here? Never rejects; takes at most 1 s. */
  ready(): Promise<Readiness> {
    this.#readiness ??= this.#decide().finally(() => {
      this.#readiness = undefined;
    });
    return this.#readiness;
  }

  async #look(): Promise<HealthReport> {
    const { cacheRedis, queues, redis, storeCheck } = this.#options;
    const [database, queue, cache, looks, model, features] = await Promise.all([
      this.#databaseReason(),
      reasonFor('The queue Redis', redis.ping()),
      reasonFor('The cache Redis', cacheRedis.ping()),
      lookAt(queues.queues()),
      this.#options.model.status(),
      this.#options.features?.() ?? [],
    ]);
    const { refusals, warnings } = storeCheck.verdict;
    const { figures } = this.#options.acceptance;
    const refused = refusals.map(({ reason, cure }) => `${reason} ${cure}`).join(' ');
    const stalled = typeof looks === 'string' ? looks : stalledReason(looks);
    const services: HealthReport['services'] = {
      database: database === undefined ? 'connected' : 'disconnected',
      redis: queue !== undefined ? 'disconnected' : refused === '' ? 'connected' : 'misconfigured',
      cache: cache === undefined ? 'connected' : 'memory-fallback',
      queue: typeof looks === 'string' ? 'unavailable' : stalled === undefined ? 'healthy' : 'stalled',
      model,
    };
    const { trouble, behindMs } = figures;
    const journal = trouble !== undefined ? 'refusing' : behindMs > BEHIND_MS ? 'behind' : 'accepting';
    const told = {
      database,
      redis: queue ?? refused,
      cache: cache === undefined ? undefined : `${cache} Reads go to the database.`,
      queue: stalled,
      model: model === 'unavailable' ? 'The model’s endpoint (AI_BASE_URL) does not answer; replies fail.' : undefined,
      journal: journalReason(figures),
      ...Object.fromEntries(features.map(({ name, reason }) => [name, reason])),
      warnings: warnings.map(({ reason, cure }) => `${reason} ${cure}`).join(' '),
    };
    return {
      status: statusOf(services, journal),
      services,
      journal,
      features: Object.fromEntries(features.map(({ name, state }) => [name, state])),
      experimental: features.flatMap(({ name, experimental }) => (experimental ? [name] : [])),
      reasons: Object.fromEntries(Object.entries(told).flatMap(([name, text]) => (text ? [[name, text]] : []))),
      version: this.#options.version,
      uptime: this.#uptime(),
    };
  }

  async #decide(): Promise<Readiness> {
    if (this.#draining) return { ready: false, reasons: ['This process is stopping.'] };
    const { redis, keyPrefix, processId, storeCheck, acceptance } = this.#options;
    const key = keyPrefix + queueKeys.readiness(processId);
    const [database, write] = await Promise.all([
      this.#databaseReason(),
      reasonFor('The queue Redis', redis.set(key, String(this.#clock()), 'EX', READINESS_TTL_SECONDS)),
    ]);
    // A Redis that is away keeps nothing and loses nothing: how it is set up matters when it is back.
    const verdict = write === undefined ? storeCheck.verdict.refusals : [];
    const refusals = verdict.map(({ reason, cure }) => `${reason} ${cure}`);
    const { trouble } = acceptance.figures;
    const reasons = [trouble, write, ...refusals, database].filter((reason) => reason !== undefined);
    return { ready: trouble === undefined && refusals.length === 0 && this.#databaseAnswered, reasons };
  }

  async #databaseReason(): Promise<string | undefined> {
    // While PostgreSQL hangs a ping keeps its connection: there is never a second one.
    this.#ping ??= pingDatabase(this.#options.database).finally(() => {
      this.#ping = undefined;
    });
    const reason = await reasonFor('PostgreSQL', this.#ping);
    if (reason === undefined) this.#databaseAnswered = true;
    return reason;
  }

  #uptime(): number {
    return Math.floor((this.#clock() - this.#startedMs) / 1000);
  }
}

/** Undefined when the probe succeeds in time, else what to tell of it. Addresses and causes stay in the log. */
async function reasonFor(name: string, probe: Promise<unknown>): Promise<string | undefined> {
  try {
    await within(PROBE_MS, probe, () => new Error('timeout'));
    return undefined;
  } catch (error) {
    const message = messageOf(error);
    if (message === 'timeout') return `${name} did not answer within ${PROBE_MS} ms.`;
    const reply = /^(OOM|READONLY|NOAUTH|WRONGPASS|NOPERM|MISCONF|LOADING|BUSY)\b/.exec(message)?.[1];
    return reply === undefined ? `${name} cannot be reached.` : `${name} refuses to serve: ${reply}.`;
  }
}

async function lookAt(looks: Promise<readonly QueueLook[]>): Promise<readonly QueueLook[] | string> {
  try {
    return await within(PROBE_MS, looks, () => new Error('timeout'));
  } catch {
    // Why it failed is told by the probe of the queue Redis itself.
    return 'The queues could not be looked at.';
  }
}

function stalledReason(looks: readonly QueueLook[]): string | undefined {
  const stalled = looks.flatMap(({ name, counts, workers, paused }) => {
    const waiting = counts.waiting + counts.prioritized;
    return waiting > 0 && workers === 0 && !paused ? [`${name} (${waiting} waiting)`] : [];
  });
  if (stalled.length === 0) return undefined;
  return `No worker takes jobs from: ${stalled.join(', ')}. Start one: node dist/workers/main.js`;
}

function journalReason({ pending, behindMs, setAside, trouble }: HealthOptions['acceptance']['figures']) {
  const told: string[] = [];
  if (trouble !== undefined) told.push(`Nothing can be accepted: ${trouble}`);
  if (behindMs > BEHIND_MS) told.push(`${pending} jobs wait for Redis since ${Math.ceil(behindMs / 1000)} s.`);
  if (setAside > 0) told.push(`${setAside} jobs are set aside: see \`millrace set-aside list\`.`);
  return told.join(' ');
}

function statusOf(
  { database, redis, cache, queue, model }: HealthReport['services'],
  journal: HealthReport['journal'],
): HealthReport['status'] {
  if (redis === 'misconfigured' || journal === 'refusing') return 'error';
  const well = database === 'connected' && redis === 'connected' && cache === 'connected' && queue === 'healthy';
  return well && model !== 'unavailable' && journal === 'accepting' ? 'ok' : 'degraded';
}
