/**
 * `/metrics`: what Prometheus reads from a web process. Totals of all processes, what the queues and Redis servers say
 * at this moment, and this process's own requests, memory and event loop.
 *
 * Promises: an answer within about 1 s, whatever is away; a source that does not answer in time is shown as it last
 * was, and `millrace_scrape_stale` says so.
 */

import { AggregatorRegistry, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { AcceptanceFigures } from '../accepting/acceptance.ts';
import type { BusinessFigures } from '../analytics/reports.ts';
import { messageOf } from '../errors.ts';
import { within } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import type { MetricJson } from './metric-totals.ts';
import type { Metrics } from './metrics.ts';
import { ProcessingRate } from './processing-rate.ts';
import { type InfoClient, readRedisFacts } from './redis-facts.ts';

/** What is measured of each queue. */
export interface MeasuredQueue {
  readonly name: string;
  readonly counts: Readonly<Record<string, number>>;
  readonly oldestWaitingMs: number;
  readonly workers: number;
  readonly paused: boolean;
}

export interface MetricsPageOptions {
  readonly metrics: Metrics;
  readonly totals: { read(): Promise<readonly MetricJson[]> };
  readonly queues: { queues(): Promise<readonly MeasuredQueue[]> };
  /** Queue Redis. */
  readonly redis: InfoClient;
  readonly cacheRedis: InfoClient;
  readonly acceptance: { readonly figures: AcceptanceFigures };
  readonly business: { businessFigures(): Promise<BusinessFigures> };
  readonly version: string;
  readonly logger: Logger;
}

/** The media type of the page: Prometheus' text format. */
export const METRICS_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

const ANSWER_MS = 1000;
const OUTCOMES = 'millrace_job_outcomes_total';

export class MetricsPage {
  readonly #options: MetricsPageOptions;
  readonly #now = new Registry();
  readonly #gauges = makeGauges(this.#now);
  readonly #rate = new ProcessingRate();
  #totals: readonly MetricJson[] = [];
  #page: Promise<string> | undefined;

  constructor(options: MetricsPageOptions) {
    this.#options = options;
    this.#gauges.build.set({ version: options.version }, 1);
    collectDefaultMetrics({ register: options.metrics.own });
  }

  /** The page. Never rejects because a store is away. */
  text(): Promise<string> {
    this.#page ??= this.#write().finally(() => {
      this.#page = undefined;
    });
    return this.#page;
  }

  async #write(): Promise<string> {
    const { redis, cacheRedis } = this.#options;
    await Promise.all([
      this.#ask('totals', () => this.#readTotals()),
      this.#ask('queues', () => this.#readQueues()),
      this.#ask('redis', () => this.#readRedis('queue', redis)),
      this.#ask('cache', () => this.#readRedis('cache', cacheRedis)),
      this.#ask('analytics', () => this.#readBusiness()),
    ]);
    this.#readJournal();
    const totals = AggregatorRegistry.aggregate([this.#totals.filter(({ values }) => values.length > 0)]);
    const parts = await Promise.all([totals.metrics(), this.#now.metrics(), this.#options.metrics.own.metrics()]);
    return parts.filter((part) => part.trim() !== '').join('');
  }

  async #ask(source: string, read: () => Promise<void>): Promise<void> {
    try {
      await within(ANSWER_MS, read(), () => new Error(`no answer within ${ANSWER_MS} ms`));
      this.#gauges.stale.set({ source }, 0);
    } catch (error) {
      this.#gauges.stale.set({ source }, 1);
      this.#options.logger.debug({ source, err: { message: messageOf(error) } }, 'metrics show what they last were');
    }
  }

  async #readTotals(): Promise<void> {
    this.#totals = await this.#options.totals.read();
    const outcomes = this.#totals.find(({ name }) => name === OUTCOMES)?.values ?? [];
    const ended = outcomes.filter(({ labels }) => labels.outcome === 'completed' || labels.outcome === 'dead');
    const total = ended.reduce((sum, { value }) => sum + value, 0);
    // NaN: not known.
    this.#gauges.processingRate.set(this.#rate.at(Date.now(), total) ?? Number.NaN);
  }

  async #readQueues(): Promise<void> {
    const queues = await this.#options.queues.queues();
    const { jobs, oldest, workers, paused } = this.#gauges;
    for (const { name: queue, counts, ...look } of queues) {
      for (const [state, count] of Object.entries(counts)) jobs.set({ queue, state }, count);
      oldest.set({ queue }, look.oldestWaitingMs / 1000);
      workers.set({ queue }, look.workers);
      paused.set({ queue }, look.paused ? 1 : 0);
    }
  }

  async #readBusiness(): Promise<void> {
    const { adaptationAccuracy, feedbackTrend } = await this.#options.business.businessFigures();
    this.#gauges.adaptation.set(adaptationAccuracy ?? Number.NaN);
    this.#gauges.feedback.set(feedbackTrend ?? Number.NaN);
  }

  #readJournal(): void {
    const { pending, open, setAside, bytes, behindMs } = this.#options.acceptance.figures;
    this.#gauges.journalPending.set(pending);
    this.#gauges.journalOpen.set(open);
    this.#gauges.journalSetAside.set(setAside);
    this.#gauges.journalBytes.set(bytes);
    this.#gauges.journalBehind.set(behindMs / 1000);
  }

  async #readRedis(role: string, client: InfoClient): Promise<void> {
    const { usedMemory, maxMemory, clients, commands } = await readRedisFacts(client, ANSWER_MS);
    const { memory, memoryLimit, connections, handled } = this.#gauges;
    if (usedMemory !== undefined) memory.set({ role }, usedMemory);
    if (maxMemory !== undefined) memoryLimit.set({ role }, maxMemory);
    if (clients !== undefined) connections.set({ role }, clients);
    if (commands !== undefined) handled.set({ role }, commands);
  }
}

function makeGauges(registry: Registry) {
  const gauge = (name: string, help: string, ...labelNames: string[]) =>
    new Gauge({ name, help, labelNames, registers: [registry] });
  return {
    jobs: gauge('millrace_queue_jobs', 'Jobs in a queue, by state.', 'queue', 'state'),
    oldest: gauge('millrace_queue_oldest_waiting_seconds', 'Age of the oldest waiting job; 0: none waits.', 'queue'),
    workers: gauge('millrace_queue_workers', 'Worker processes that take jobs from a queue.', 'queue'),
    paused: gauge('millrace_queue_paused', '1: the queue is paused.', 'queue'),
    memory: gauge('millrace_redis_memory_bytes', 'Memory that a Redis server uses.', 'role'),
    memoryLimit: gauge('millrace_redis_memory_limit_bytes', 'maxmemory of a Redis server; 0: no limit.', 'role'),
    connections: gauge('millrace_redis_connections', 'Clients connected to a Redis server.', 'role'),
    handled: gauge('millrace_redis_commands', 'Commands a Redis server has handled since it started.', 'role'),
    journalPending: gauge('millrace_journal_pending_jobs', 'Jobs in this journal that are not in Redis yet.'),
    journalOpen: gauge('millrace_journal_open_jobs', 'Jobs in this journal that are in Redis and not at their end.'),
    journalSetAside: gauge('millrace_journal_set_aside_jobs', 'Jobs that their queue would not take.'),
    journalBytes: gauge('millrace_journal_bytes', 'Bytes of this journal on disk.'),
    journalBehind: gauge('millrace_journal_behind_seconds', 'For how long jobs have been waiting for Redis.'),
    processingRate: gauge('millrace_event_processing_rate', 'Jobs that came to their end, per second.'),
    adaptation: gauge('millrace_adaptation_accuracy', 'How much less writers change than at first; 1: nothing at all.'),
    feedback: gauge('millrace_feedback_trend', 'Mean rating of seven days minus that of the seven before.'),
    stale: gauge(
      'millrace_scrape_stale',
      '1: a source did not answer in time; its values are the last ones.',
      'source',
    ),
    build: gauge('millrace_build_info', 'Always 1; the version is a label.', 'version'),
  };
}
