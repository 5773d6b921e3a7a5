/**
 * What enqueues jobs by itself: clocks (`every`) and events (`on`).
 *
 * Promises: a tick is enqueued ahead of its time, as a delayed job whose id is made of the definition and the tick;
 * so it runs once across any number of processes and survives all of them being stopped. An event enqueues a job
 * whose id is made of the event's. While Redis is away a clock tries again every minute.
 */

import { CronExpressionParser } from 'cron-parser';
import type { Producer } from '../src/accepting/producer.ts';
import { isAppError } from '../src/errors.ts';
import type { Event } from '../src/events/event.ts';
import { type Deadline, type Lifecycle, repeat } from '../src/lifecycle.ts';
import type { Logger } from '../src/logger.ts';
import type { Catalog } from '../src/queue/catalog.ts';
import type { JobDefinition } from '../src/queue/job.ts';
import { DEFAULT_TENANT } from '../src/resources.ts';

export interface TriggersOptions {
  readonly catalog: Catalog;
  readonly producer: Producer;
  /** Every tenant there is, for clock lines with `eachTenant`. */
  readonly tenants: () => Promise<readonly string[]>;
  readonly logger: Logger;
  readonly clock?: () => number;
}

/** Milliseconds between looks at the clock. A tick is enqueued ahead, so this bounds no punctuality. */
const LOOK_MS = 15_000;

export class Triggers implements Lifecycle {
  readonly #catalog: Catalog;
  readonly #producer: Producer;
  readonly #tenants: () => Promise<readonly string[]>;
  readonly #logger: Logger;
  readonly #clock: () => number;
  readonly #ended = new AbortController();
  #running: Promise<void> | undefined;

  constructor({ catalog, producer, tenants, logger, clock = Date.now }: TriggersOptions) {
    this.#catalog = catalog;
    this.#producer = producer;
    this.#tenants = tenants;
    this.#logger = logger;
    this.#clock = clock;
  }

  async start(): Promise<void> {
    this.#running ??= repeat(
      LOOK_MS,
      this.#ended.signal,
      () => this.enqueueTicks(),
      (error) => this.#logger.warn({ err: error }, 'clock lines could not be enqueued; trying again'),
    );
  }

  async stop(_deadline: Deadline): Promise<void> {
    this.#ended.abort();
    await this.#running;
  }

  /** Enqueue the next tick of every clock line, if it is not there yet. */
  async enqueueTicks(): Promise<void> {
    for (const definition of this.#catalog.all) {
      if (definition.every === undefined) continue;
      const tick = nextTick(definition.every, this.#clock());
      const tenants = definition.eachTenant ? await this.#tenants() : [DEFAULT_TENANT];
      for (const tenant of tenants) {
        await this.#enqueue(definition, definition.example, `every:${tick.toISOString()}`, tenant, tick);
      }
    }
  }

  /** Enqueue the jobs that wait `on` this event. */
  async fire(event: Event): Promise<void> {
    for (const definition of this.#catalog.all) {
      if (definition.on?.event !== event.type) continue;
      await this.#enqueue(definition, definition.on.payload(event), `on:${event.id}`, event.tenant);
    }
  }

  async #enqueue(definition: JobDefinition, payload: unknown, once: string, tenant: string, runAt?: Date) {
    try {
      await this.#producer.enqueue({ tenant, job: definition.name, payload, once, runAt });
    } catch (error) {
      if (!isAppError(error, 'invalid-input')) throw error;
      // A definition whose trigger makes payloads that it refuses: it must not stop the others.
      this.#logger.error({ job: definition.name, once, problems: error.problems }, 'a trigger made a bad payload');
    }
  }
}

/** The next time of a clock line after `nowMs`: a cron line in UTC, or whole multiples of milliseconds since 1970. */
export function nextTick(every: string | number, nowMs: number): Date {
  if (typeof every === 'number') return new Date((Math.floor(nowMs / every) + 1) * every);
  return CronExpressionParser.parse(every, { currentDate: new Date(nowMs), tz: 'UTC' })
    .next()
    .toDate();
}
