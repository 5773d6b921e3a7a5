/**
 * The `job completed` lines of one pool: every job at ordinary rates, and in a flood a sample and the number of the rest.
 *
 * Promises: at most 100 lines a second, each of fields that hold no secret by their making; what they leave out is
 * counted in a line of its own within a second. One line costs 4 µs, a twelfth of a bare job; looking for secrets in it
 * would cost as much again.
 */

import type { Logger } from '../src/logger.ts';
import { requestIdOf } from '../src/queue/envelope.ts';

/** The job, as far as a line tells of it. */
export interface LoggedJob {
  readonly id?: string | undefined;
  readonly name: string;
  readonly data: { readonly tenant: string; readonly requestId?: string | undefined };
}

const MOST_PER_SECOND = 100;
const SECOND_MS = 1000;

export class CompletedLines {
  readonly #logger: Logger;
  #untilMs = 0;
  #left = 0;
  #omitted = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(logger: Logger) {
    this.#logger = logger.child({}, { redact: [] });
  }

  /** A job completed just now, `nowMs` since 1970, after running for `runMs`. */
  write(job: LoggedJob, nowMs: number, runMs: number): void {
    if (nowMs >= this.#untilMs) {
      this.#untilMs = nowMs + SECOND_MS;
      this.#left = MOST_PER_SECOND;
    }
    if (this.#left > 0) {
      this.#left -= 1;
      this.#logger.info({ ...lineFields(job), runMs }, 'job completed');
    } else {
      this.#omitted += 1;
      this.#timer ??= setTimeout(() => this.flush(), SECOND_MS);
    }
  }

  /** Tell the number of those that were left out. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#omitted > 0) this.#logger.info({ jobs: this.#omitted }, 'more jobs completed');
    this.#omitted = 0;
  }
}

/** What every line about a job says of it. */
export function lineFields({ id = '', name, data }: LoggedJob) {
  return { jobId: id, job: name, tenant: data.tenant, requestId: requestIdOf(id, data) };
}
