/**
 * Totals of all processes' counters and histograms, as one hash in the queue Redis.
 *
 * Promises: a difference is added once, also when the answer to the first try was lost (each process numbers its
 * batches); totals never go down when a process ends, so a rate over them is true. What a process counted in its last
 * 2 s is lost with a `kill -9`. While Redis is away the differences wait in memory, and the last totals are shown.
 *
 * The hash's name carries a fingerprint of the metrics' names, labels and buckets: another version counts elsewhere.
 */

import { createHash } from 'node:crypto';
import { messageOf } from '../errors.ts';
import { type Deadline, type Lifecycle, repeat, within } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { queueKeys } from '../redis/keys.ts';
import { type Metrics, TOTALLED, type TotalledMetric } from './metrics.ts';

interface TotalsClient {
  eval(script: string, keys: number, ...keysAndArguments: (string | number)[]): Promise<unknown>;
  hgetall(key: string): Promise<Record<string, string>>;
}

export interface MetricTotalsOptions {
  readonly metrics: Metrics;
  /** A client of the queue Redis that fails fast. */
  readonly redis: TotalsClient;
  readonly keyPrefix: string;
  readonly logger: Logger;
  /** Milliseconds between two additions. */
  readonly everyMs?: number;
}

/** A metric as prom-client's registries exchange them. */
export interface MetricJson {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'histogram';
  readonly aggregator: 'sum';
  readonly values: readonly {
    readonly metricName?: string;
    readonly labels: Readonly<Record<string, string | number>>;
    readonly value: number;
  }[];
}

/** What is to be added. The number is the process's own; 1 for its first batch. */
interface Batch {
  readonly number: number;
  readonly differences: readonly (readonly [field: string, difference: number])[];
}

/** KEYS: totals, the process's last batch. ARGV: batch number, TTL of each in s, then fields and differences. */
const ADD_BATCH = `
if tonumber(redis.call('GET', KEYS[2]) or '0') >= tonumber(ARGV[1]) then return 0 end
for i = 4, #ARGV, 2 do redis.call('HINCRBYFLOAT', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[3])
return 1
`;

const EVERY_MS = 2000;
const TOTALS_TTL_SECONDS = 30 * 86_400;
const BATCH_TTL_SECONDS = 3600;

/** Changes with the names, labels and buckets of the metrics. */
const FINGERPRINT = createHash('sha256').update(JSON.stringify(TOTALLED)).digest('hex').slice(0, 8);

export class MetricTotals implements Lifecycle {
  readonly #metrics: Metrics;
  readonly #redis: TotalsClient;
  readonly #logger: Logger;
  readonly #everyMs: number;
  readonly #totalsKey: string;
  readonly #batchKey: string;
  readonly #ended = new AbortController();
  /** What is in a batch already, by field. */
  readonly #taken = new Map<string, number>();
  #batch: Batch = { number: 0, differences: [] };
  #adding: Promise<void> | undefined;
  #running: Promise<void> | undefined;

  constructor({ metrics, redis, keyPrefix, logger, everyMs = EVERY_MS }: MetricTotalsOptions) {
    this.#metrics = metrics;
    this.#redis = redis;
    this.#logger = logger;
    this.#everyMs = everyMs;
    this.#totalsKey = keyPrefix + queueKeys.metricTotals(FINGERPRINT);
    this.#batchKey = keyPrefix + queueKeys.metricBatch(metrics.processId);
  }

  async start(): Promise<void> {
    this.#running ??= repeat(
      this.#everyMs,
      this.#ended.signal,
      () => {
        this.#metrics.sampleLoop();
        return this.add();
      },
      (error) => this.#logger.debug({ err: { message: messageOf(error) } }, 'metrics wait for Redis'),
    );
  }

  /** Add what is left, if Redis lets us before the deadline. */
  async stop(deadline: Deadline): Promise<void> {
    this.#ended.abort();
    this.#metrics.stop();
    await within(deadline.leftMs, this.#lastAdditions(), () => new Error('the last metrics were not added in time'));
  }

  async #lastAdditions(): Promise<void> {
    await this.#running;
    await this.add();
  }

  /** Add what this process has counted since the last time. Rejects when Redis is away; the next call makes up for it. */
  add(): Promise<void> {
    this.#adding ??= this.#addAll().finally(() => {
      this.#adding = undefined;
    });
    return this.#adding;
  }

  /** The totals of all processes, this one's latest included. Rejects when Redis is away. */
  async read(): Promise<MetricJson[]> {
    await this.add();
    return metricsOf(await this.#redis.hgetall(this.#totalsKey));
  }

  async #addAll(): Promise<void> {
    // A batch whose answer was lost goes first, unchanged: Redis knows its number if it was added.
    await this.#addBatch();
    this.#batch = await this.#nextBatch();
    await this.#addBatch();
  }

  async #addBatch(): Promise<void> {
    const { number, differences } = this.#batch;
    if (differences.length === 0) return;
    const times = [number, TOTALS_TTL_SECONDS, BATCH_TTL_SECONDS];
    await this.#redis.eval(ADD_BATCH, 2, this.#totalsKey, this.#batchKey, ...times, ...differences.flat());
    this.#batch = { number, differences: [] };
  }

  async #nextBatch(): Promise<Batch> {
    const differences: (readonly [string, number])[] = [];
    for (const { name, values } of await this.#metrics.totalled.getMetricsAsJSON()) {
      const labels = TOTALLED.find((metric) => metric.name === name)?.labels ?? [];
      for (const value of values) {
        const metricName = 'metricName' in value && typeof value.metricName === 'string' ? value.metricName : name;
        const le = 'le' in value.labels ? [String(value.labels.le)] : [];
        const field = fieldOf(metricName, [...labels.map((label) => String(value.labels[label])), ...le]);
        const difference = value.value - (this.#taken.get(field) ?? 0);
        if (difference === 0) continue;
        differences.push([field, difference]);
        this.#taken.set(field, value.value);
      }
    }
    return { number: this.#batch.number + 1, differences };
  }
}

/** `["millrace_job_wait_seconds_bucket","learning","learning.process-edit","0.1"]` */
function fieldOf(metricName: string, labelValues: readonly string[]): string {
  return JSON.stringify([metricName, ...labelValues]);
}

/** Metrics from the fields of the hash, buckets in order and complete. */
function metricsOf(fields: Readonly<Record<string, string>>): MetricJson[] {
  const totals = new Map(Object.entries(fields).map(([field, total]) => [field, Number(total)]));
  return TOTALLED.map((metric) => {
    const { name, help, buckets } = metric;
    const sets = labelSets(totals, buckets === undefined ? name : `${name}_count`);
    const values = sets.flatMap((set) => valuesOf(metric, set, totals));
    return { name, help, type: buckets === undefined ? 'counter' : 'histogram', aggregator: 'sum', values };
  });
}

/** The label values under which there is a total of this name. */
function labelSets(totals: ReadonlyMap<string, number>, metricName: string): string[][] {
  const start = `${JSON.stringify([metricName]).slice(0, -1)},`;
  const found = [...totals.keys()].filter((field) => field.startsWith(start)).sort();
  return found.map((field) => (JSON.parse(field) as string[]).slice(1));
}

function valuesOf(
  { name, labels: names, buckets }: TotalledMetric,
  set: string[],
  totals: ReadonlyMap<string, number>,
) {
  const labels = Object.fromEntries(names.map((label, index) => [label, set[index] ?? '']));
  const total = (metricName: string, ...le: string[]) => totals.get(fieldOf(metricName, [...set, ...le])) ?? 0;
  if (buckets === undefined) return [{ labels, value: total(name) }];
  const bounds = [...buckets.map(String), '+Inf'].map((le) => ({
    metricName: `${name}_bucket`,
    labels: { le, ...labels },
    value: total(`${name}_bucket`, le),
  }));
  const sum = { metricName: `${name}_sum`, labels, value: total(`${name}_sum`) };
  return [...bounds, sum, { metricName: `${name}_count`, labels, value: total(`${name}_count`) }];
}
