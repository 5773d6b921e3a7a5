/**
 * Payloads as people may see them: fields that a definition calls secret are covered.
 *
 * Promises: what cannot be told apart (no definition of this name, no envelope) is covered whole.
 */

import type { JobDefinition } from './job.ts';

/** What stands in the place of a secret. */
export const COVERED = '[redacted]';

/** A job, or a job's template, as the board shows it. */
interface Shown {
  readonly name?: unknown;
  readonly data?: unknown;
  readonly template?: unknown;
}

export class Redaction {
  readonly #secrets = new Map<string, ReadonlySet<string>>();

  constructor(definitions: readonly JobDefinition[]) {
    for (const { name, formerly, secret } of definitions) {
      for (const each of [name, ...formerly]) this.#secrets.set(each, new Set(secret));
    }
  }

  /** A copy of a job's data (an envelope with its payload) without its secrets. */
  data(job: string, data: unknown): unknown {
    const secrets = this.#secrets.get(job);
    if (secrets?.size === 0) return data;
    if (secrets === undefined || !isRecord(data) || !isRecord(data.payload)) return COVERED;
    const shown = Object.entries(data.payload).map(([field, value]) => [field, secrets.has(field) ? COVERED : value]);
    return { ...data, payload: Object.fromEntries(shown) };
  }

  /** A copy of an answer of the board: every job in it, listed, alone or as a schedule's template, without its secrets. */
  answer(body: unknown): unknown {
    if (!isRecord(body)) return body;
    const copy: Record<string, unknown> = { ...body };
    if (isRecord(body.job)) copy.job = this.#shown(body.job);
    if (Array.isArray(body.schedulers)) copy.schedulers = this.#list(body.schedulers);
    if (Array.isArray(body.queues)) {
      copy.queues = body.queues.map((queue: unknown) =>
        isRecord(queue) && Array.isArray(queue.jobs) ? { ...queue, jobs: this.#list(queue.jobs) } : queue,
      );
    }
    return copy;
  }

  #list(jobs: readonly unknown[]): unknown[] {
    return jobs.map((job) => (isRecord(job) ? this.#shown(job) : job));
  }

  #shown(job: Shown): Shown {
    const name = String(job.name);
    return {
      ...job,
      ...('data' in job && { data: this.data(name, job.data) }),
      ...(isRecord(job.template) && 'data' in job.template
        ? { template: { ...job.template, data: this.data(name, job.template.data) } }
        : {}),
    };
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
